// What a mount is said to be, in words that containerd and its clients share, and which program shows it.

/** Who shows a snapshot: this program, the kernel's overlayfs, or nobody (whole trees, bound). */
export type Driver = 'fuse' | 'overlay' | 'native';

/** One mount as containerd describes it: fstab words. */
export interface Mount {
  readonly type: string;
  readonly source: string;
  /** Below the mount point that the caller has chosen; absent: the mount point itself. */
  readonly target?: string;
  readonly options: readonly string[];
}
