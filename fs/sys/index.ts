// The one door of the fence: system calls by subject. Nothing here loads the C library before the first call.

export * from './clone.js';
export { CpuLatencyRequest } from './cpu-latency.js';
export * from './device.js';
export * from './features.js';
export * from './file.js';
export * from './file-handle.js';
export * from './folder.js';
export * from './fusermount.js';
export { AT_FDCWD, loadLibrary, PATH_MAX } from './libc.js';
export * from './map.js';
export * from './mount.js';
export * from './noted-files.js';
export * from './notify.js';
export * from './passthrough.js';
export * from './peer.js';
export * from './process.js';
export * from './root.js';
export * from './terminal.js';
export * from './trim.js';
export * from './xattr.js';
