#!/bin/sh
# Makes of the image of test/image one that podman can load too, in DIR: oci/ with the image `debian`, debian.oci.tar,
# and rootfs/ as umoci unpacks it.
# podman keeps marks as files `.wh.NAME` and unpacks each layer by itself, so its layers may name no removed file of 252
# bytes and more, remove nothing below what they replace, and go through no symlink of a layer below: layers that say the
# same otherwise are written anew, and the last is left out. On top come an opaque folder, and marks for names that the
# same layer has.
# Usage: make-image.sh DIR IMAGE-DIR MICA
set -eu
out=$1 image=$2 mica=$3
stamp="$out/complete-2"
[ -e "$stamp" ] && exit 0
rm -rf "$out"
mkdir -p "$out/work"
cd "$out"
mica() { "$mica" --root work/root --state work/state "$@"; }
mica import "$image/debian.oci.tar" --name debian
inspected=$(mica --json inspect debian)
of_layers() { echo "$inspected" | node -p "JSON.parse(require('fs').readFileSync(0)).layers.map((l) => l.$1).join('\n')"; }
blob() { mica content get "$(of_layers digest | sed -n "$1p")" | gzip -dc >"work/$1.tar"; }

umoci init --layout oci
umoci new --image oci:debian
add() { umoci raw add-layer --image oci:debian "$1"; }
blob 1 && add work/1.tar
for n in 2 3; do
  mica diff --tar -o "work/$n.tar" $(of_layers chainId | sed -n "${n}p;$((n - 1))p" | tac)
  add "work/$n.tar"
done

tar_of() { tar -C "$1" --numeric-owner --owner=0 --group=0 --sort=name --mtime=@1000000000 -cf "$1.tar" opt && add "$1.tar"; }
mkdir -p work/old/opt/same/d work/new/opt/same/d work/old/opt/opaque/d work/new/opt/opaque
echo hidden >work/old/opt/opaque/a && echo hidden >work/old/opt/opaque/d/b
echo shown >work/new/opt/opaque/kept && : >work/new/opt/opaque/.wh..wh..opq
echo old >work/old/opt/same/a && echo hidden >work/old/opt/same/d/old
echo new >work/new/opt/same/a && echo shown >work/new/opt/same/d/new
: >work/new/opt/same/.wh.a && : >work/new/opt/same/.wh.d
tar_of work/old && tar_of work/new
umoci config --image oci:debian --config.cmd /bin/sh --config.env PATH=/usr/bin:/bin --config.workingdir /
rm -rf work
umoci unpack --image oci:debian unpacked && mv unpacked/rootfs . && rm -r unpacked
skopeo copy --quiet oci:oci:debian oci-archive:debian.oci.tar:docker.io/library/debian:test
touch "$stamp"
