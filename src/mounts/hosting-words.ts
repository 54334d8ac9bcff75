// Which process is to serve a FUSE mount: the host that all mounts of a user share, or one of its own.

/** `shared` where that can be: what a shared host does not take has a process of its own in any case. */
export const HOSTINGS = ['auto', 'shared', 'own'] as const;
export type Hosting = (typeof HOSTINGS)[number];

/**
 * `auto`: so many mounts have a process each, which nothing but the machine ends together; from then on memory counts, of
 * which a thread takes a third (ARCHITECTURE.md, "Many mounts").
 */
export const OWN_AT_MOST = 4;

/** What is meant where there are so many mounts already. */
export function meantBy(hosting: Hosting, mounts: number): 'shared' | 'own' {
  if (hosting !== 'auto') return hosting;
  return mounts < OWN_AT_MOST ? 'own' : 'shared';
}
