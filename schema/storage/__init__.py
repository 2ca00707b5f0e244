"""Files: pictures, exports and archives, in a folder or in an S3 bucket.

Whoever writes files that others find through a row of the table ``files`` goes through ``schema.queries.files``, which
does both in the right order.
"""

from schema.storage.opening import open_storage
from schema.storage.store import FsspecStore, content_path

__all__ = ["FsspecStore", "content_path", "open_storage"]
