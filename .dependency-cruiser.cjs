// The boundaries of the house, as ARCHITECTURE.md draws them. Imports run downward only. Each rule carries
// its reason. `test/house/boundaries.mjs` runs them and proves that every file was seen.

/** Rows of src, from the bottom; a row may import lower rows and itself. Siblings that must not meet have rules of their own. */
const ROWS = [
  [
    'errors',
    'digest',
    'filter',
    'filter-fields',
    'go-regexp',
    'keyed-lock',
    'labels',
    'lock-path',
    'root-folder',
    'subordinate-ids',
    'time',
  ],
  ['content', 'metadata'],
  ['mounts'],
  ['snapshots'],
  ['diff', 'archive'],
  ['images', 'layers', 'registry'],
  ['store', 'collect', 'restore'],
  ['check', 'run'],
  ['containerd'],
  ['cli', 'web', 'mount-program'],
];
const row = (names) => `^src/(${names.join('|')})(\\.ts$|/)`;

const upward = ROWS.flatMap((names, at) => {
  const above = ROWS.slice(at + 1).flat();
  if (above.length === 0) return [];
  return [
    {
      name: `no-upward-from-${names[0]}`,
      comment: 'A lower row that knows an upper one can be neither tested nor replaced alone.',
      severity: 'error',
      from: { path: row(names) },
      to: { path: row(above) },
    },
  ];
});

const fence = (name, pkg, owner, why) => ({
  name: `fence-${name}`,
  comment: why,
  severity: 'error',
  from: { path: '^(src|fs|native-fallback)/', pathNot: owner },
  to: { path: `node_modules/${pkg}/` },
});

module.exports = {
  forbidden: [
    ...upward,
    {
      name: 'fs-stands-alone',
      comment: 'fs/ is a library of its own: it knows nothing of snapshots, images or databases.',
      severity: 'error',
      from: { path: '^fs/' },
      to: { path: '^(src|native-fallback|test)/' },
    },
    {
      name: 'fs-has-one-door',
      comment: 'What fs/index.ts does not offer may change without notice.',
      severity: 'error',
      from: { path: '^(src|native-fallback)/' },
      // `fs/promises` is Node's own module, which the tool names without its `node:`. memory.ts is the door of the page.
      to: { path: '^fs/', pathNot: '^fs/(index\\.ts|memory\\.ts|promises)$' },
    },
    {
      name: 'native-fallback-below-src',
      comment: 'The kernel fallback is given folders; it does not know where they come from.',
      severity: 'error',
      from: { path: '^native-fallback/' },
      to: { path: '^(src|test)/' },
    },
    {
      name: 'native-fallback-has-one-door',
      comment: 'What native-fallback/index.ts does not offer may change without notice.',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^native-fallback/', pathNot: '^native-fallback/index\\.ts$' },
    },
    {
      name: 'content-without-metadata',
      comment: 'Content is handed its rows, so that it can be tested and shared without a database.',
      severity: 'error',
      from: { path: '^src/content/' },
      to: { path: '^src/metadata/' },
    },
    {
      name: 'edges-are-not-imported',
      comment: 'Nothing depends on the command line, the page or the mount program.',
      severity: 'error',
      from: { path: '^(src|fs|native-fallback)/', pathNot: '^src/(cli|web|mount-program)/' },
      to: { path: '^src/(cli|web|mount-program)/' },
    },
    {
      name: 'union-is-pure',
      comment: 'The union runs in a browser for teaching: no Node modules, no system calls, no sessions.',
      severity: 'error',
      from: { path: '^fs/(union/|layer/(layer\\.|mem-)|filesystem|later|memory|name|errno|mode)' },
      to: { pathNot: '^fs/(union/|layer/(layer\\.|mem-)|filesystem|later|name|errno|mode)' },
    },
    {
      name: 'page-is-pure',
      comment: 'The page runs in a browser: it knows the union in memory and itself.',
      severity: 'error',
      from: { path: '^src/web/' },
      to: { pathNot: '^(src/web/|fs/memory\\.ts$)' },
    },
    {
      name: 'owners-are-pure',
      comment: 'Other owners are a matter of numbers: they are tried in memory.',
      severity: 'error',
      from: { path: '^fs/owners/' },
      to: { pathNot: '^fs/(owners/|union/|layer/layer\\.|filesystem|later|name|errno|mode)' },
    },
    {
      name: 'fuse-below-transport',
      comment: 'Bytes to Filesystem and back: the protocol does not know how the descriptor came about.',
      severity: 'error',
      from: { path: '^fs/fuse/' },
      to: { path: '^fs/(transport|owners|union|layer)/' },
    },
    {
      name: 'sys-is-the-bottom',
      comment: 'System calls know errnos, attributes and names, nothing else of ours.',
      severity: 'error',
      from: { path: '^fs/sys/' },
      to: { path: '^fs/(?!sys/|errno|mode|name|filesystem)' },
    },
    fence(
      'koffi',
      'koffi',
      '^fs/sys/',
      'C appears in one folder, where lengths and lifetimes are looked after.',
    ),
    fence(
      'grpc',
      '(@grpc|@bufbuild)',
      '^src/containerd/',
      'One folder speaks gRPC, and is loaded by who asks for it.',
    ),
    {
      name: 'messages-stay-inside',
      comment: 'Generated code is a matter of the wire: others are handed the values of the store.',
      severity: 'error',
      from: { path: '^(src|fs|native-fallback)/', pathNot: '^src/containerd/' },
      to: { path: '^src/containerd/(gen|convert|status)' },
    },
    {
      name: 'client-without-server',
      comment: 'A client talks to servers of others as well; what both need lies beside them.',
      severity: 'error',
      from: { path: '^src/containerd/client/' },
      to: { path: '^src/containerd/server/' },
    },
    fence('lmdb', 'lmdb', '^src/metadata/', 'One folder knows how rows are stored.'),
    fence(
      'tar-stream',
      'tar-stream',
      '^src/archive/',
      'tar-stream loses what layers contain; archives of blobs are its job.',
    ),
    fence(
      'fuse-native',
      'fuse-native',
      '^fs/transport/fuse-native',
      'An optional dependency, loaded when asked for.',
    ),
    {
      name: 'no-cycles',
      comment:
        'Files that need each other to load are one file, or need a third. What is loaded later, when a command ' +
        'was typed, may use what loads it.',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only', 'dynamic-import'] } },
    },
    {
      name: 'tests-stay-outside',
      comment: 'The program does not depend on its tests or on development tools.',
      severity: 'error',
      from: { path: '^(src|fs|native-fallback)/' },
      to: { path: '^test/', dependencyTypes: ['npm-dev'] },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
    },
  },
};
