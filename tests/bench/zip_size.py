"""Prints how many bytes a file takes as `bootstrap` in a zip file, at deflate level 9."""

import io
import sys
import zipfile

package = io.BytesIO()
with zipfile.ZipFile(package, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
    archive.write(sys.argv[1], "bootstrap")
print(package.getbuffer().nbytes)
