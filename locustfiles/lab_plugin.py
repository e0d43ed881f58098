"""The lab's windows and recorder for a locustfile that knows nothing of them. It holds no User class.

locust -f your_locustfile.py,locustfiles/lab_plugin.py --class-picker --host http://127.0.0.1:8000
"""

import _window  # noqa: F401
