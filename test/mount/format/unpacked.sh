# A layer over what lower.sh left, as engines unpack it for fuse-overlayfs: whiteouts are files, as in the tar.
umask 022
mkdir -p merged/sub gone opaque swap links plain/a file-to-dir
: > .wh.base; : > merged/.wh.a; : > merged/sub/.wh.deep; : > .wh.gone-file; : > links/.wh.one
: > opaque/.wh..wh..opq; echo mine > opaque/mine; : > gone/.wh..wh..opq; : > plain/.wh..wh..opq; : > plain/a/.wh.f
: > .wh..wh.plnk; : > .wh..wh.aufs; : > swap/.wh.in; : > .wh.not-there; echo f > file-to-dir/f; echo new > merged/new
