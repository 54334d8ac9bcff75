// A request of this process for processors that answer at once (PM QoS, Documentation/power/pm_qos_interface.rst): as
// long as the file is open with 0 in it, idle processors poll for work and do not halt. A virtual machine leaves a
// processor that halts to the machine below, and to be woken from there takes longer than most requests of a mount.
// The request ends with the file, however the process or the thread ends: Node closes the files of a thread that died.

import { accessSync, closeSync, constants, openSync, readFileSync, writeSync } from 'node:fs';
import { cpus } from 'node:os';

const DEVICE = '/dev/cpu_dma_latency';
const DRIVER = '/sys/devices/system/cpu/cpuidle/current_driver';

/** Microseconds that it may take to wake a processor, as the kernel reads them: 32 bits in this machine's order. */
const AT_ONCE = new Int32Array([0]);

/** All idle processors of the machine poll, also those that this process may not run on: too much where they are many. */
const PROCESSORS_AT_MOST = 8;

/** Why no request is made here; undefined where it is of use. */
export function cpuLatencyMissing(): string | undefined {
  if (driverOfIdle() !== 'haltpoll') return 'an idle processor does not halt into a hypervisor here';
  if (cpus().length > PROCESSORS_AT_MOST) return `there are more than ${PROCESSORS_AT_MOST} processors`;
  try {
    accessSync(DEVICE, constants.W_OK);
    return undefined;
  } catch {
    return `no right to write to ${DEVICE}`;
  }
}

function driverOfIdle(): string | undefined {
  try {
    return readFileSync(DRIVER, 'latin1').trim();
  } catch {
    return undefined;
  }
}

export class CpuLatencyRequest {
  #fd: number | undefined;
  #isRefused = false;

  isHeld(): boolean {
    return this.#fd !== undefined;
  }

  /** Nothing where it is held already, or was refused once. */
  hold(): void {
    if (this.#fd !== undefined || this.#isRefused) return;
    try {
      this.#fd = openSync(DEVICE, 'r+');
      writeSync(this.#fd, AT_ONCE);
    } catch {
      this.#isRefused = true;
      this.release();
    }
  }

  release(): void {
    if (this.#fd === undefined) return;
    closeSync(this.#fd);
    this.#fd = undefined;
  }
}
