// What `wharf doctor` says about the warehouses.
import { isWharfError } from '../base/errors.ts'
import type { Context, DoctorCheck, DoctorResult } from '../base/room.ts'
import { checkWarehouse } from './check/check.ts'
import { warehouses } from './contract.ts'

const order = ['failed', 'warning', 'ok'] as const

export const doctorCheck: DoctorCheck = {
  name: 'warehouses',
  run: async (context, signal) => {
    const list = (await context.use(warehouses)).list()
    if (list.length === 0)
      return { state: 'skipped', message: 'none is declared', hint: 'wharf warehouse add NAME URL' }
    const results = await Promise.all(list.map(({ name }) => examine(name, context, signal)))
    const worst = order.find((state) => results.some((one) => one.state === state)) ?? 'ok'
    const hint = results.find((one) => one.state === worst)?.hint
    return {
      state: worst,
      message: results.map((one) => one.message).join('; '),
      ...(hint === undefined ? {} : { hint }),
    }
  },
}

async function examine(name: string, context: Context, signal: AbortSignal): Promise<DoctorResult> {
  try {
    const findings = await checkWarehouse((await context.use(warehouses)).get(name), signal)
    const bad = findings.filter((one) => one.state !== 'ok')
    const state = order.find((one) => findings.some((finding) => finding.state === one)) ?? 'ok'
    const message = bad.length === 0 ? `${name}: sound` : `${name}: ${bad.map((one) => one.check).join(', ')}`
    return { state, message, ...(bad.length === 0 ? {} : { hint: `wharf warehouse check ${name}` }) }
  } catch (error) {
    if (!isWharfError(error)) throw error
    return {
      state: 'failed',
      message: `${name}: ${error.message}`,
      ...(error.hint === undefined ? {} : { hint: error.hint }),
    }
  }
}
