"""loadlab: at how many concurrent users does a synchronous Python API start to cost more than an asynchronous one?"""
