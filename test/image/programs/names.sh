# In the folder $1: what watchers are told, what many processes do under one lock, and folders moved, searched and
# removed. Prints what inotifywait saw, the sum of what was counted under the lock, and how many names were found.
dir=$1
mkdir "$dir"
cd "$dir"
mkdir watched watched/sub ready
mkfifo heard
inotifywait -m -r --format '%e %w%f' -e create,modify,move,delete,close_write,attrib watched >seen 2>heard &
watcher=$!
grep -q -m 1 established heard
echo one >watched/new
mv watched/new watched/sub/moved
chmod 600 watched/sub/moved
mkdir watched/made
rm watched/sub/moved
rmdir watched/sub
touch watched/last
until grep -q 'CLOSE.* watched/last' seen; do :; done
kill $watcher
cat seen

echo 0 >count
workers=
for _ in 1 2 3 4 5 6; do
  (for _ in 1 2 3 4 5 6 7 8 9 10; do flock lock sh -c 'echo $(($(cat count) + 1)) >next && mv next count'; done) &
  workers="$workers $!"
done
wait $workers
cat count

mkdir tree
for n in $(seq 1 40); do mkdir -p "tree/$n/a/b" && echo "$n" >"tree/$n/a/b/file" && ln -s ../file "tree/$n/a/link"; done
mkdir other
mv tree/1* other
mv other/10/a tree/2/a/b
find . -xdev -name file | wc -l
find tree/2 -xdev | wc -l
rm -rf tree other
ls
