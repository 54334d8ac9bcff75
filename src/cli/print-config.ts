// What an engine's configuration must say to mount by this program, as text to paste.

/** storage.conf of podman and buildah. `uid`: root's storage has its place in it, a user's is found from HOME. */
export function podmanConfig(program: string, uid: number): string {
  const places =
    uid === 0 ? 'graphroot = "/var/lib/containers/storage"\nrunroot = "/run/containers/storage"\n' : '';
  const file = uid === 0 ? '/etc/containers/storage.conf' : '~/.config/containers/storage.conf';
  return `# ${file}
# What an existing storage holds was made for another way of mounting: podman system reset removes it.
[storage]
driver = "overlay"
${places}
[storage.options.overlay]
mount_program = ${JSON.stringify(program)}
`;
}
