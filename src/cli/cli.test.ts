import assert from 'node:assert/strict'
import { Writable, Readable } from 'node:stream'
import { test } from 'node:test'

import { z } from 'zod'

import { systemClock } from '../base/clock.ts'
import { duration } from '../base/config-types.ts'
import { createContext } from '../base/context.ts'
import { processEnvironment } from '../base/environment.ts'
import { defineErrors, isWharfError } from '../base/errors.ts'
import { silentLog } from '../base/log.ts'
import { defineOperation, demandConfirmation, type AnyOperation } from '../base/operation.ts'
import { systemRandom } from '../base/random.ts'
import type { Room } from '../base/room.ts'
import { completionScript } from './completion.ts'
import { commandSpec } from './options.ts'
import type { GlobalOptions, Program } from './program.ts'
import { room as cli } from './room.ts'
import { runCommandLine } from './run.ts'

const shapes = {
  role: 'viewer',
  danger: 'none',
  errors: [],
  needs: 'nothing',
  where: 'here',
  output: z.unknown(),
} as const
const errors = defineErrors('shop', {
  closed: { exit: 'busy', message: (name: string) => `${name} is closed`, hint: () => 'come back tomorrow' },
  torn: { exit: 'configuration', message: () => 'torn', hint: () => 'mend it' },
})

const buy = defineOperation({
  ...shapes,
  name: 'shop buy',
  summary: 'buy things',
  description: 'Example: wharf shop buy apple',
  input: z.strictObject({
    what: z.string().describe('the thing'),
    amount: z.number().int().min(1).default(1).describe('how many'),
    bigNumber: z.bigint().optional(),
    kind: z.enum(['fast', 'slow']).default('fast'),
    within: duration().prefault('15m').describe('at most so long'),
    tag: z.array(z.string()).default([]),
    size: z.array(z.enum(['s', 'm'])).optional(),
    label: z.record(z.string(), z.string()).optional(),
    wrap: z.boolean().default(true).describe('without paper'),
    gift: z.boolean().optional(),
    who: z.string().describe('for whom'),
  }),
  positional: ['what'],
  run: (input) => Promise.resolve(input),
  text: (output) => `bought ${(output as { what: string }).what}`,
})

const others: readonly AnyOperation[] = [
  defineOperation({
    ...shapes,
    name: 'shop close',
    summary: 'close',
    input: z.strictObject({}),
    run: () => Promise.reject(errors.closed('postgresql://u:pw@h/d')),
    text: String,
  }),
  defineOperation({
    ...shapes,
    name: 'shop defect',
    summary: 'a defect',
    input: z.strictObject({}),
    run: () => Promise.reject(new RangeError('password=x out of range')),
    text: String,
  }),
  defineOperation({
    ...shapes,
    name: 'shop torn',
    summary: 'a bad file',
    input: z.strictObject({}),
    run: () => Promise.reject(errors.torn(undefined, { place: { file: 'wharf.yaml', line: 3, column: 5 } })),
    text: String,
  }),
  defineOperation({
    ...shapes,
    name: 'shop check',
    summary: 'check',
    input: z.strictObject({}),
    run: () => Promise.resolve(7n),
    text: String,
    exit: () => 'findings',
  }),
  defineOperation({
    ...shapes,
    name: 'shop burn',
    summary: 'burn it down',
    danger: 'destroys',
    input: z.strictObject({}),
    run: async (_input, context) => {
      await demandConfirmation(context, 'burn the shop?')
      return 'burnt'
    },
    text: String,
  }),
  defineOperation({
    ...shapes,
    name: 'look',
    summary: 'look',
    input: z.strictObject({ at: z.array(z.string()).optional() }),
    positional: ['at'],
    run: (input) => Promise.resolve(input),
    text: () => 'seen',
  }),
]
const rooms: readonly Room[] = [
  { name: 'shop', summary: 'a room', groups: { shop: 'a shop' }, operations: [buy, ...others] },
  cli,
]

interface Outcome {
  readonly code: number
  readonly out: string
  readonly err: string
  readonly globals: GlobalOptions | undefined
}

async function wharf(...args: readonly string[]): Promise<Outcome> {
  let globals: GlobalOptions | undefined
  const program: Program = {
    version: '1.2.3',
    rooms,
    open: (options, _operation, scope) => {
      globals = options
      const parts = {
        clock: systemClock,
        random: systemRandom,
        environment,
        log: silentLog,
        home: '/h',
        configFile: '/h/wharf.yaml',
        rooms,
        sections: {},
      }
      return Promise.resolve(createContext(parts, scope))
    },
  }
  const environment = { ...processEnvironment(), variables: {}, user: 'ann', hostname: 'quay' }
  const out = collector()
  const err = collector()
  const streams = { out: out.stream, err: err.stream, in: Readable.from([]) as NodeJS.ReadableStream }
  const code = await runCommandLine({ program, args, streams, environment })
  return { code, out: out.text(), err: err.text(), globals }
}

function collector(): { stream: Writable; text: () => string } {
  const chunks: string[] = []
  const stream = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      chunks.push(chunk.toString())
      done()
    },
  })
  return { stream, text: () => chunks.join('') }
}

test('options of every kind reach the operation', async () => {
  const args =
    'shop buy apple --who bob --amount 3 --big-number 9223372036854775808 --kind slow --within 1h --tag a --tag b --size s --label x=1 --label y=2=3 --no-wrap --gift --json'
  const { code, out, err } = await wharf(...args.split(' '))
  assert.equal(err, '')
  assert.equal(code, 0)
  assert.deepEqual(JSON.parse(out), {
    what: 'apple',
    who: 'bob',
    amount: 3,
    bigNumber: '9223372036854775808',
    kind: 'slow',
    within: 3_600_000,
    tag: ['a', 'b'],
    size: ['s'],
    label: { x: '1', y: '2=3' },
    wrap: false,
    gift: true,
  })
})

test('defaults hold for what is left out', async () => {
  const { out } = await wharf('--json', 'shop', 'buy', 'apple', '--who', 'bob')
  assert.deepEqual(JSON.parse(out), {
    what: 'apple',
    who: 'bob',
    amount: 1,
    kind: 'fast',
    within: 900_000,
    tag: [],
    wrap: true,
  })
})

test('text goes to standard output with one line end', async () => {
  assert.deepEqual((await wharf('shop', 'buy', 'apple', '--who', 'bob')).out, 'bought apple\n')
})

test('an argument of many values may be left out', async () => {
  assert.deepEqual(JSON.parse((await wharf('look', 'a', 'b', '--json')).out), { at: ['a', 'b'] })
  assert.equal((await wharf('look')).code, 0)
})

test('global options are taken before and after the words', async () => {
  const before = await wharf('--home', '/x', '--log-level', 'debug', '-q', 'look')
  const behind = await wharf('look', '--home', '/x', '--log-level', 'debug', '-q')
  assert.deepEqual(before.globals, behind.globals)
  assert.deepEqual(before.globals, {
    json: false,
    yes: false,
    quiet: true,
    color: false,
    home: '/x',
    config: undefined,
    logLevel: 'debug',
  })
})

const usage: readonly (readonly [string, string, string])[] = [
  ['shp', 'unknown command "shp"', 'did you mean "shop"?'],
  ['zzzzzz', 'unknown command "zzzzzz"', 'wharf help lists the commands'],
  ['shop byu', 'unknown command "shop byu"', 'did you mean "shop buy"?'],
  ['--home /somewhere shp', 'unknown command "shp"', 'did you mean "shop"?'],
  ['shop lend', 'unknown command "shop lend"', 'wharf help shop lists the commands'],
  ['--quiet', '"wharf" needs one more word: shop, look, completion', 'wharf help'],
  ['--home /somewhere help shop byu', 'unknown command "shop byu"', 'did you mean "shop buy"?'],
  ['help shop byu', 'unknown command "shop byu"', 'did you mean "shop buy"?'],
  ['shop', '"shop" needs one more word: buy, close, defect, torn, check, burn', 'wharf help shop'],
  ['shop buy', 'required option "--who <WHO>" not specified', 'wharf help shop buy'],
  ['shop buy apple', 'required option "--who <WHO>" not specified', 'wharf help shop buy'],
  ['shop buy apple --who', 'option "--who <WHO>" argument missing', 'wharf help shop buy'],
  ['shop buy apple --who bob --amuont 3', 'unknown option "--amuont"', 'did you mean --amount?'],
  ['shop buy apple --who bob --amount 0', '--amount is too small: 0, the least is 1', 'wharf help shop buy'],
  ['shop buy apple --who bob --amount many', '--amount must be a number, not "many"', 'wharf help shop buy'],
  ['shop buy apple --who bob --big-number x', '--big-number must be a whole number, not "x"', 'wharf help shop buy'],
  [
    'shop buy apple --who bob --within 5',
    '--within: not a duration: "5"',
    'a number with a unit, for example 500ms, 30s, 15m, 2h, 7d, or several: 1h30m',
  ],
  [
    'shop buy apple --who bob --kind fats',
    'option "--kind <KIND>" argument "fats" is invalid. Allowed choices are fast, slow',
    'wharf help shop buy',
  ],
  ['shop buy apple --who bob --size x', '--size: "x" is not one of s, m', 'wharf help shop buy'],
  ['shop buy apple --who bob --label x', '--label wants NAME=VALUE, not "x"', 'wharf help shop buy'],
  ['shop close now', 'too many arguments for "close". Expected 0 arguments but got 1: now', 'wharf help shop close'],
]
for (const [line, message, hint] of usage) {
  test(`wrong usage: wharf ${line}`, async () => {
    const plain = await wharf(...line.split(' '))
    assert.equal(plain.err, `wharf: ${message}\nhint: ${hint}\n`)
    assert.deepEqual([plain.code, plain.out], [2, ''])
    const json = await wharf(...line.split(' '), ...(line.endsWith('--who') ? [] : ['--json']))
    if (!line.endsWith('--who'))
      assert.deepEqual((JSON.parse(json.out) as { error: { message: string } }).error.message, message)
  })
}

test('an error has message, hint, exit code, and one document under --json', async () => {
  const plain = await wharf('shop', 'close')
  assert.deepEqual(plain, {
    code: 6,
    out: '',
    err: 'wharf: postgresql://u:***@h/d is closed\nhint: come back tomorrow\n',
    globals: plain.globals,
  })
  const json = await wharf('shop', 'close', '--json')
  assert.deepEqual(JSON.parse(json.out), {
    error: { code: 'shop.closed', message: 'postgresql://u:***@h/d is closed', hint: 'come back tomorrow' },
  })
  assert.equal(json.code, 6)
})

test('an error with a place names it', async () => {
  assert.equal((await wharf('shop', 'torn')).err, 'wharf: wharf.yaml:3:5: torn\nhint: mend it\n')
  const { out, code } = await wharf('shop', 'torn', '--json')
  assert.deepEqual(JSON.parse(out), {
    error: { code: 'shop.torn', message: 'torn', hint: 'mend it', place: { file: 'wharf.yaml', line: 3, column: 5 } },
  })
  assert.equal(code, 4)
})

test('a defect shows its stack and asks to be reported', async () => {
  const { code, err } = await wharf('shop', 'defect')
  assert.equal(code, 1)
  assert.match(
    err,
    /^wharf: this is a defect of wharf: please report it with the lines below\nRangeError: password=x out of range\n {4}at /,
  )
  const json = await wharf('shop', 'defect', '--json')
  assert.equal((JSON.parse(json.out) as { error: { code: string } }).error.code, 'defect')
})

test('findings have their own exit code', async () => {
  const { code, out } = await wharf('shop', 'check', '--json')
  assert.deepEqual([code, out], [10, '"7"\n'])
})

test('what destroys asks: without a terminal the answer is no, --yes is yes', async () => {
  const asked = await wharf('shop', 'burn')
  assert.equal(
    asked.err,
    'wharf: not confirmed: burn the shop?\nhint: answer y to the question, or pass --yes where nobody can be asked\n',
  )
  assert.equal(asked.code, 130)
  assert.equal((await wharf('shop', 'burn', '--yes')).out, 'burnt\n')
})

test('help for everything, a group and a command', async () => {
  const all = await wharf()
  assert.deepEqual(all.out, (await wharf('help')).out)
  assert.deepEqual(all.out, (await wharf('--help')).out)
  assert.match(all.out, /^ {2}shop +a shop$/m)
  assert.match((await wharf('help', 'shop')).out, /^ {2}buy \[options\] <what> +buy things$/m)
  const command = (await wharf('help', 'shop', 'buy')).out
  assert.deepEqual(command, (await wharf('shop', 'buy', '--help')).out)
  for (const line of [
    '  what                  the thing',
    '  --amount <N>          how many (default: 1)',
    '  --kind <KIND>         (default: fast) (choices: "fast", "slow")',
    '  --within <DURATION>   at most so long (default: 15m)',
    '  --tag <TAG>           (repeatable)',
    '  --no-wrap             without paper',
  ]) {
    assert.ok(command.includes(`\n${line}\n`), `${line}\n${command}`)
  }
  assert.match(command, /Example: wharf shop buy apple/)
  assert.equal((await wharf('--version')).out, '1.2.3\n')
})

test('an input that is no object and an option that is global are defects', async () => {
  assert.throws(() => commandSpec({ ...buy, input: z.string() } as AnyOperation), /the input is no object schema/)
  const operation = defineOperation({
    ...shapes,
    name: 'x',
    summary: '',
    input: z.strictObject({ home: z.string() }),
    run: () => Promise.resolve(1),
    text: String,
  })
  const { commandTree } = await import('./commands.ts')
  const streams = { out: collector().stream, err: collector().stream, in: Readable.from([]) as NodeJS.ReadableStream }
  const tree = (operations: readonly AnyOperation[]): unknown =>
    commandTree({ version: '', rooms: [{ name: 'x', summary: '', operations }], streams, choose: () => {} })
  assert.throws(() => tree([operation]), /--home is a global option/)
  assert.throws(() => tree([buy, buy]), /two operations are called "shop buy"/)
})

test('completion for an unknown shell names the known ones', async () => {
  const { err, code } = await wharf('completion', 'tcsh')
  assert.equal(
    err,
    'wharf: command-argument value "tcsh" is invalid for argument "shell". Allowed choices are bash, zsh, fish\nhint: wharf help completion\n',
  )
  assert.equal(code, 2)
})

test('completion scripts know words, options and choices', () => {
  for (const shell of ['bash', 'zsh', 'fish'] as const) {
    const script = completionScript(shell, rooms)
    for (const word of ['buy', 'completion', 'fast', 'big-number'])
      assert.ok(script.includes(word), `${shell}: ${word}`)
  }
})

test('an operation that fails after an interruption tells of the interruption', async () => {
  const stuck = defineOperation({
    ...shapes,
    name: 'stuck',
    summary: 'waits',
    input: z.strictObject({}),
    run: (_input, _context, signal) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(new Error('connection reset')))
        process.emit('SIGTERM', 'SIGTERM')
      }),
    text: String,
  })
  const out = collector()
  const err = collector()
  const streams = { out: out.stream, err: err.stream, in: Readable.from([]) as NodeJS.ReadableStream }
  const environment = processEnvironment()
  const program: Program = {
    version: '',
    rooms: [{ name: 'x', summary: '', operations: [stuck] }],
    open: (_options, _operation, scope) =>
      Promise.resolve(
        createContext(
          {
            clock: systemClock,
            random: systemRandom,
            environment,
            log: silentLog,
            home: '/h',
            configFile: '/h/w',
            rooms: [],
            sections: {},
          },
          scope,
        ),
      ),
  }
  assert.equal(await runCommandLine({ program, args: ['stuck'], streams, environment }), 130)
  assert.equal(err.text(), 'wharf: interrupted by SIGTERM\n')
  assert.ok(!isWharfError(undefined))
})
