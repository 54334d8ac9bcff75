# Spells the whiteouts of a layer as xattrs on empty files, in folders that say so; run in the layer's folder.
# The argument is the prefix of the marks. Below an opaque folder there is nothing to hide.
find . -type c -exec sh -ec '
  p=$1; shift
  for f; do
    [ "$(stat -c %t:%T "$f")" = 0:0 ] || continue
    d=${f%/*}
    t=$(stat -c %y "$d")
    rm "$f"
    if [ "$(getfattr --only-values -n "$p.overlay.opaque" "$d" 2>/dev/null)" != y ]; then
      : > "$f"; setfattr -n "$p.overlay.whiteout" "$f"; setfattr -n "$p.overlay.opaque" -v x "$d"
    fi
    touch -d "$t" "$d"
  done' sh "$1" {} +
