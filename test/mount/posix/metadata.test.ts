// Owners, modes, times, xattrs and ACLs: what a copy-up keeps, what each call changes, and who may.

import { ACCESS } from './metadata/access.js';
import { OWNERS } from './metadata/owners.js';
import { SET_ID } from './metadata/set-id.js';
import { TIMES } from './metadata/times.js';
import { XATTRS } from './metadata/xattrs.js';
import { subject } from './places.js';

subject('metadata', [...OWNERS, ...TIMES, ...SET_ID, ...ACCESS, ...XATTRS]);
