# git in the folder $1: many commits, branches, merges, a rebase, worktrees, repacking and clones, with and without hard
# links. Prints what `git fsck` finds, and the number of commits. With a second word the repositories are only looked at.
dir=$1
export HOME=$dir GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@example.invalid GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t@example.invalid
commit() { git add -A && git commit -q --no-gpg-sign -m "$1"; }
work() {
  mkdir "$dir"
  cd "$dir"
  git init -q -b main --bare central.git
  git clone -q central.git one 2>/dev/null
  cd one
  mkdir -p src/deep/er
  for n in $(seq 1 200); do echo "file $n" >"src/file$n"; done
  commit first
  for n in $(seq 1 40); do
    echo "changed $n" >>"src/file$n"
    git mv "src/file$((n + 100))" "src/deep/er/moved$n"
    [ $((n % 4)) != 0 ] || git rm -q "src/file$((n + 40))"
    commit "change $n"
  done
  git push -q origin main
  git branch side HEAD~20
  for name in red green blue; do
    git worktree add -q -b "$name" "../tree-$name" HEAD~10
    (cd "../tree-$name" && for n in 1 2 3 4 5; do echo "$name $n" >"$name$n"; commit "$name $n"; done)
  done
  git merge -q --no-edit red
  git worktree remove ../tree-red
  (cd ../tree-green && git rebase -q main)
  git merge -q --ff-only green
  git checkout -q side
  for n in $(seq 1 10); do echo "$n" >"side$n"; commit "side $n"; done
  git rebase -q main
  git checkout -q main
  git merge -q --no-ff --no-edit side
  git push -q --all
  git repack -q -a -d
  git gc -q --prune=now
  git clone -q "$dir/central.git" ../linked
  git clone -q --no-hardlinks "$dir/central.git" ../copied
  git -C ../copied gc -q --aggressive --prune=now
  git -C ../central.git gc -q --prune=now
}
[ $# = 2 ] || work
cd "$dir"
for repository in central.git one linked copied; do git -C $repository fsck --full --strict --no-dangling 2>&1; done
for tree in one linked copied tree-green tree-blue; do git -C $tree status --porcelain; done
git -C one rev-list --count main
