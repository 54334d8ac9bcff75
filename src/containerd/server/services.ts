// The services that `mica serve` has. A service is a function that is given what it works on and returns its handlers;
// whoever adds one adds a line here.

import { containersService } from './containers.js';
import { contentService } from './content.js';
import { diffService } from './diff.js';
import { healthService } from './health.js';
import { imagesService } from './images.js';
import { leasesService } from './leases.js';
import { namespacesService } from './namespaces.js';
import { reflectionServices } from './reflection.js';
import type { Service } from './service.js';
import type { Site } from './site.js';
import { snapshotsService } from './snapshots.js';

export function servicesOf(site: Site): readonly Service[] {
  const services = [
    snapshotsService(site.snapshots),
    contentService(site),
    diffService(site),
    leasesService(site),
    imagesService(site),
    containersService(site),
    namespacesService(site),
  ];
  const all = [...services, healthService(services, site.stopping)];
  return [...all, ...reflectionServices(all, site.stopping)];
}
