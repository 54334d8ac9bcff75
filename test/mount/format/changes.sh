# A history that leaves every kind of mark of overlayfs; run in a mount over what lower.sh and earlier runs left.
# The first word makes the names of a run its own. `mv` copies where a rename of a lower folder is refused.
# A second word spares FIFOs, devices and hard links of lowers, which fuse-overlayfs breaks when it copies them up.
umask 022
n=$1
echo "new $n" > "new$n"; mkdir -p "dir$n/sub"; echo in > "dir$n/sub/f"; ln "new$n" "dir$n/linked"
echo "more $n" >> merged/b; echo "more $n" >> merged/sub/deep/f
rm -rf gone gone-file merged/d; echo again > gone-file; rm gone-file
rm -rf opaque; mkdir opaque; echo "mine $n" > opaque/o; mkdir opaque/x
rm -f file-to-dir; rm -rf file-to-dir; mkdir file-to-dir; echo f > file-to-dir/f
rm -rf file-to-dir-2; echo now a file > file-to-dir-2
mv moved "moved$n"; mv "moved$n/in" "in$n"; mkdir moved; echo fresh > moved/x; echo "again $n" >> "in$n/er/f"
mv "moved$n" moved-on; rm -rf "moved$n"; mv moved-on "moved$n"
mv swap/in swap/out; mkdir swap/in; echo other > swap/in/g; mv swap/out "swap/out$n"
mv plain/a "dir$n/a"; rm -f "dir$n/a/b/f"; echo renamed > "dir$n/a/b/new"
mv "far$n" "near$n"; mv "near$n/in" "merged/in$n"; rm "merged/in$n/f"; echo near > "near$n/new"
if [ -z "$2" ]; then
  echo "written $n" >> links/one; rm links/q; chmod 600 links/p; touch -h -d @1000 links/s
  ln links/far/three "links/four$n"; mv links/two "links/two$n"; mv "links/two$n" links/two; ln links/p links/q
  chmod 640 links/f; chmod 600 fifo char; mv block "block$n"; mv "block$n" block
fi
chmod 640 big; chown 7:8 keep/f || :; touch -d '1999-01-01 00:00:00.5' keep/f; mv big "big$n"; mv "big$n" big
setfattr -n user.new -v "v$n" merged/a; setfattr -n user.empty merged/a; setfattr -x user.empty merged/a
setfattr -n user.dir -v d keep; ln -s "somewhere $n" "link$n"; mkfifo "fifo$n"; mknod "null$n" c 1 3 || :
printf x | dd of=sparse bs=1 seek=100000 conv=notrunc status=none
mkdir -p whole; mv whole/f "whole/g$n"; chmod 2770 whole; mv "whole/g$n" whole/f
mkdir -p hollow; rm -rf hollow; mkdir hollow; echo h > hollow/h; rm hollow/h
# What the next run finds, so that the same names have a history.
mkdir -p gone plain swap; echo back > gone/f; echo back > gone-file; rm -rf file-to-dir file-to-dir-2; mkdir file-to-dir-2
mv "moved$n" back; rm -rf moved; mv back moved; mv "in$n" moved/in; mv "dir$n/a" plain/a; mv "swap/out$n" swap/out
rm -rf swap/in; mv swap/out swap/in; mkdir -p opaque/x; echo o > opaque/x/f; echo d > merged/d
