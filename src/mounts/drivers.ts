// The storage drivers of this process: those of this program, and whatever else was registered.

import './built-in-drivers.js';

export * from './driver-registry.js';
