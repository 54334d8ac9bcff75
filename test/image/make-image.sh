#!/bin/sh
# Makes an OCI image of a real Debian root filesystem in DIR (root only): oci/ with the image `debian`, debian.oci.tar
# and debian.docker.tar; and in debs/ a package archive for its `apt-get install`. Layers: the packages; changes by umoci (deletions, replaced folders, kinds, links, modes,
# capabilities, odd names); a hand-made layer with an opaque folder and hard links into lower layers.
# Usage: make-image.sh DIR
set -eu
out=$1
stamp="$out/complete-2"
[ -e "$stamp" ] && exit 0
rm -rf "$out"
mkdir -p "$out/work" "$out/debs"
cd "$out"

# What a test installs: packages with maintainer scripts of every kind, and programs that are hard on a filesystem.
offered="cron openssh-server man-db postgresql postgresql-contrib rsync inotify-tools acl stress-ng"
mmdebstrap --quiet --variant=minbase --include=gcc,libc6-dev,make,git,sqlite3,libcap2-bin,attr \
  --customize-hook='APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" apt-get clean' \
  --customize-hook='APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" apt-get install -qq -y --no-install-recommends --download-only '"$offered" \
  --customize-hook='mv "$1"/var/cache/apt/archives/*.deb debs/' \
  bookworm work/base.tar $(ls /etc/apt/sources.list /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list 2>/dev/null)

for deb in debs/*.deb; do
  dpkg-deb -f "$deb"
  echo "Filename: $deb"
  echo "Size: $(stat -c %s "$deb")"
  echo "SHA256: $(sha256sum <"$deb" | cut -d' ' -f1)"
  echo
done >debs/Packages

umoci init --layout oci
umoci new --image oci:debian
umoci raw add-layer --image oci:debian work/base.tar
umoci config --image oci:debian --config.cmd /bin/sh --config.env PATH=/usr/bin:/bin --config.workingdir /

umoci unpack --image oci:debian work/bundle
root=work/bundle/rootfs
rm -rf "$root/usr/share/doc/git" "$root/usr/share/man" "$root/etc/apt"
rm "$root/etc/issue" "$root/usr/bin/chattr"
mkdir "$root/etc/apt" && echo replaced >"$root/etc/apt/only"
mkdir -p "$root/opt/kinds" "$root/opt/links" "$root/opt/names" "$root/opt/swap"
mkfifo "$root/opt/kinds/fifo"
mknod "$root/opt/kinds/char" c 5 300
mknod "$root/opt/kinds/block" b 259 65536
ln -s ../../etc/passwd "$root/opt/kinds/link"
ln -s nowhere "$root/opt/kinds/dangling"
echo one >"$root/opt/links/a" && ln "$root/opt/links/a" "$root/opt/links/b" && ln "$root/opt/links/a" "$root/opt/names/c"
echo two >"$root/opt/links/d" && ln "$root/opt/links/d" "$root/opt/links/e"
cp "$root/bin/true" "$root/opt/suid" && chown 1234:70000 "$root/opt/suid" && chmod 6755 "$root/opt/suid"
cp "$root/bin/true" "$root/opt/capable" && setcap cap_net_raw+ep "$root/opt/capable"
setfattr -n user.note -v 'with spaces' "$root/opt/capable"
setfattr -n user.bytes -v 0x00ff80410a "$root/opt/capable"
install -d -m 1777 "$root/opt/sticky" && install -d -m 2775 -g 70000 "$root/opt/setgid"
truncate -s 64M "$root/opt/sparse" && printf tail >>"$root/opt/sparse"
long=$(printf '%0255d' 7)
for name in "$long" 'new
line' 'space and "quotes"' '-dash' "$(printf 'latin\351')" "$(printf 'utf8-\303\251')" 'back\slash' 'a:b,c'; do
  echo "$name" >"$root/opt/names/$name"
done
chown 2000000000:2000000001 "$root/opt/names/-dash"
touch -d '1960-01-02 03:04:05.5 UTC' "$root/opt/links/d"
touch -d '2041-01-02 03:04:05.123456789 UTC' "$root/opt/suid"
for kind in file dir link; do
  case $kind in file) echo f >"$root/opt/swap/x-$kind" ;; dir) mkdir "$root/opt/swap/x-$kind" && echo in >"$root/opt/swap/x-$kind/in" ;; link) ln -s x "$root/opt/swap/x-$kind" ;; esac
done
umoci repack --image oci:debian work/bundle

rm -rf work/bundle && umoci unpack --image oci:debian work/bundle
rm -rf "$root/opt/swap/x-dir" "$root/opt/swap/x-file" "$root/opt/swap/x-link"
echo now-a-file >"$root/opt/swap/x-dir" && mkdir "$root/opt/swap/x-file" && echo child >"$root/opt/swap/x-file/child" && mkdir "$root/opt/swap/x-link"
chmod 700 "$root/opt/links/b"
rm "$root/opt/links/e" "$root/opt/names/new
line"
mv "$root/usr/share/perl5" "$root/usr/share/perl5-moved"
umoci repack --image oci:debian work/bundle

# An opaque mark that comes after the files of its own layer, and an
# entry below a folder that is a symlink in the image (bin -> usr/bin).
mkdir -p work/top/opt/names work/top/var/lib/dpkg/info work/top/bin
echo kept >work/top/opt/names/kept
echo '#!/bin/sh' >work/top/bin/through-symlink && chmod 755 work/top/bin/through-symlink
: >work/top/opt/names/.wh..wh..opq
tar -C work/top --numeric-owner --owner=0 --group=0 --format=pax --mtime=@1000000000 -cf work/top.tar \
  opt/names/kept opt/names/.wh..wh..opq bin/through-symlink
umoci raw add-layer --image oci:debian work/top.tar
rm -rf work

skopeo copy --quiet oci:oci:debian oci-archive:debian.oci.tar:debian:latest
skopeo copy --quiet oci:oci:debian docker-archive:debian.docker.tar:docker.io/library/debian:test
touch "$stamp"
