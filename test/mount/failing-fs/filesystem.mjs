// A filesystem in memory whose changes fail on command. It stands for a plain one, on which an overlay may lie: it has
// devices 0:0, which a union keeps for itself, by another number within, and RENAME_WHITEOUT where that is wanted.
// Commands are attributes of its root: setting `user.fail` to {at, errno, later} lets the change `at` from now on (from
// 0) fail, and after it `nothing`, what takes `space`, or `all` changes; `user.requests` lists the changes since then.
// `user.hold` and `user.held`: see holding.mjs.

const { Attr, Entry, FsError, MemLayer, makeDev, ROOT_NODE, SYSTEM_CALLER, Union } = await import(
  '../../../dist/fs/index.js'
);

const FAIL = 'user.fail';
const REQUESTS = 'user.requests';
const HOLD = 'user.hold';
const HELD = 'user.held';
const EINVAL = 22;
const RENAME_WHITEOUT = 4;
const S_IFCHR = 0o020000;
const S_IFMT = 0o170000;
/** Within, in place of 0:0. */
const ZERO_DEVICE = makeDev(4095, 255);

const TAKES_SPACE = 'mknod mkdir symlink link rename create tmpfile write fallocate copyFileRange setxattr';
/** The requests that change something, or make it durable; a rename to a name that is there is a `replace`. */
const CHANGES = `${TAKES_SPACE} replace setattr unlink rmdir removexattr fsync fsyncdir`.split(' ');
const LATER = { nothing: [], space: TAKES_SPACE.split(' '), all: CHANGES };

/** Shows the device number as whoever asks knows it. */
function outward(out) {
  const attr = out instanceof Entry ? out.attr : out;
  if (attr instanceof Attr && attr.rdev === ZERO_DEVICE) attr.rdev = 0;
}

/** `whiteouts`: whether rename(2) can leave one; `holding`: a Holding. */
export function failingFilesystem({ whiteouts, holding }) {
  const union = new Union({ lowers: [], upper: new MemLayer() });
  let plan;
  let requests = [];

  function judge(kind) {
    if (plan === undefined || !CHANGES.includes(kind)) return;
    const at = requests.push(kind) - 1;
    if (at === plan.at || (at > plan.at && LATER[plan.later].includes(kind)))
      throw new FsError(plan.errno, kind);
  }

  function exists(parent, name) {
    const entry = new Entry();
    const found = union.lookup(parent, name, entry);
    if (found) union.forget(entry.node, 1);
    return found;
  }

  const own = {
    getxattr(node, name) {
      if (node !== ROOT_NODE || (name !== REQUESTS && name !== HELD)) return union.getxattr(node, name);
      return new TextEncoder().encode(JSON.stringify(name === HELD ? holding.held : requests));
    },
    setxattr(node, name, value, ...rest) {
      if (node === ROOT_NODE && name === HOLD) {
        holding.command(JSON.parse(new TextDecoder().decode(value)));
        return;
      }
      if (node !== ROOT_NODE || name !== FAIL) {
        judge('setxattr');
        union.setxattr(node, name, value, ...rest);
        return;
      }
      plan = JSON.parse(new TextDecoder().decode(value));
      requests = [];
    },
    mknod(parent, name, mode, rdev, ...rest) {
      judge('mknod');
      const isZero = (mode & S_IFMT) === S_IFCHR && rdev === 0;
      union.mknod(parent, name, mode, isZero ? ZERO_DEVICE : rdev, ...rest);
    },
    rename(parent, name, newParent, newName, flags) {
      if ((flags & RENAME_WHITEOUT) !== 0 && !whiteouts) throw new FsError(EINVAL, 'rename');
      judge(exists(newParent, newName) ? 'replace' : 'rename');
      const moved = union.rename(parent, name, newParent, newName, flags & ~RENAME_WHITEOUT);
      if ((flags & RENAME_WHITEOUT) !== 0) {
        const entry = new Entry();
        union.mknod(parent, name, S_IFCHR, ZERO_DEVICE, SYSTEM_CALLER, entry);
        union.forget(entry.node, 1);
      }
      return moved;
    },
    readdirPlus(handle, from, out, visit) {
      union.readdirPlus(handle, from, out, (...entry) => {
        outward(out);
        return visit(...entry);
      });
    },
  };

  return new Proxy(union, {
    get(_, operation) {
      const act = own[operation] ?? union[operation];
      if (typeof act !== 'function') return act;
      return (...args) => {
        holding.meet(operation);
        if (own[operation] === undefined) judge(operation);
        const result = act.apply(union, args);
        for (const arg of args) outward(arg);
        return result;
      };
    },
  });
}
