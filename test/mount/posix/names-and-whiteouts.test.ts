// Names that come, go and move over what the lower layers have under them.

import { LISTINGS } from './names/listings.js';
import { RENAMES } from './names/renames.js';
import { SPELLINGS } from './names/spellings.js';
import { WHITEOUTS } from './names/whiteouts.js';
import { subject } from './places.js';

subject('names and whiteouts', [...WHITEOUTS, ...RENAMES, ...SPELLINGS, ...LISTINGS]);
