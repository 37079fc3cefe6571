// A secret that does not show itself: not in JSON, not in a template string, not in util.inspect, not in an error.
import { inspect } from 'node:util'

const HIDDEN = '***'

/** Holds a secret from the configuration. Only reveal() gives it away; everything that prints shows `***`. */
export class Secret {
  readonly #value: string

  constructor(value: string) {
    this.#value = value
  }

  reveal(): string {
    return this.#value
  }

  toString(): string {
    return HIDDEN
  }

  toJSON(): string {
    return HIDDEN
  }

  [inspect.custom](): string {
    return HIDDEN
  }
}
