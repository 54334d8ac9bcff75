// grpc.health.v1: whether a service may be asked. All of them may, from the first call to the last.

import { StoreError } from '../../errors.js';
import { HealthCheckResponse_ServingStatus, HealthService } from '../gen/grpc/health/v1/health.js';
import { type Service, service, serviceName } from './service.js';

const { SERVING, NOT_SERVING, SERVICE_UNKNOWN } = HealthCheckResponse_ServingStatus;

/** Answers for `services` and for the server as a whole, which is asked for without a name. */
export function healthService(services: readonly Service[], stopping: AbortSignal): Service {
  const names = new Set(['', HEALTH, ...services.map(serviceName)]);
  return service(HealthService, {
    async check({ service: name }) {
      if (names.has(name)) return { status: stopping.aborted ? NOT_SERVING : SERVING };
      throw new StoreError('not-found', `cannot check service ${name}`, 'this server does not have it');
    },

    async *watch({ service: name }, { signal }) {
      if (!names.has(name)) yield { status: SERVICE_UNKNOWN };
      else if (!stopping.aborted) yield { status: SERVING };
      await anyAborted([stopping, signal]);
      if (names.has(name)) yield { status: NOT_SERVING };
    },
  });
}

const HEALTH = 'grpc.health.v1.Health';

async function anyAborted(signals: readonly AbortSignal[]): Promise<void> {
  const any = AbortSignal.any([...signals]);
  if (any.aborted) return;
  await new Promise<void>((resolve) => any.addEventListener('abort', () => resolve(), { once: true }));
}
