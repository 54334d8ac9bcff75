# What the lowest layer of the disk format's tests holds; run in its folder. An ordinary user makes no devices and
# gives nothing away.
umask 022
mkdir -p keep merged/sub/deep gone swap/in moved/in/er file-to-dir-2 links links/far plain/a/b whole opaque/x
for n in 1 2 3 4; do mkdir -p far$n/in; echo far > far$n/f; echo in > far$n/in/f; done
echo keep > keep/f; echo base > base; echo gone > gone/f; echo top > gone-file
for f in a b c d; do echo "merged $f" > merged/$f; done; echo sub > merged/sub/f; echo deep > merged/sub/deep/f
echo x > moved/x; echo in > moved/in/f; echo er > moved/in/er/f; echo swap > swap/in/f
echo file > file-to-dir; echo one > file-to-dir-2/one
echo linked > links/one; ln links/one links/two; ln links/one links/far/three
echo pair > links/p; ln links/p links/q; ln -s target links/s; ln links/s links/t; mkfifo links/f; ln links/f links/g
echo a > plain/a/f; echo b > plain/a/b/f; echo w > whole/f; echo o > opaque/x/f; echo o > opaque/o
ln -s base symlink; ln -s nowhere dangling; mkfifo fifo; mknod char c 1 3 || mkfifo char; mknod block b 8 1 || mkfifo block
python3 -c "import socket; socket.socket(socket.AF_UNIX).bind('socket')" 2>/dev/null || mkfifo socket
printf 'odd\n' > "$(printf 'od\377d\nname')"
truncate -s 3M sparse; printf tail | dd of=sparse bs=1 seek=2097152 conv=notrunc status=none
dd if=/dev/zero bs=4096 count=64 status=none | tr '\0' z > big
chown 1000:1001 keep/f merged/b || :; chmod 4755 merged/a; chmod 2775 merged/sub; chmod 1777 merged; chmod 0 merged/c
setfattr -n user.low -v lower merged/a; setfattr -n user.low -v lower merged/sub; setfattr -n user.empty merged/a
touch -h -d '2001-02-03 04:05:06.789012345' symlink merged/a moved moved/in keep links/one
