// Errors of keys: those that open the repository, and those that may delete. Tests hold the exact texts.
import { defineErrors } from '../base/errors.ts'

interface At {
  readonly location: string
}
type KeyKind = 'passphrase' | 'key-file' | 'command' | 'wrapper'
const keyKinds: Readonly<Record<KeyKind, string>> = {
  passphrase: 'passphrase',
  'key-file': 'key file',
  command: 'key command',
  wrapper: 'key wrapper',
}

export const keyErrors = defineErrors('repository', {
  wrongKey: {
    exit: 'denied',
    message: (at: At & { by: KeyKind }) => `the ${keyKinds[at.by]} does not open the repository at ${at.location}`,
    hint: (at) =>
      at.by === 'passphrase'
        ? 'check the passphrase in the encryption section of wharf.yaml; a trailing space or line feed in its file counts'
        : at.by === 'key-file'
          ? 'check key_file in wharf.yaml: it must be the file that was there when the repository was created, or a copy of it'
          : 'check what the program in the encryption section of wharf.yaml answers: it must be the key that the repository was created with, or one that was added since',
  },
  noKeySlot: {
    exit: 'denied',
    message: (at: At & { by: KeyKind }) => `the repository at ${at.location} has no key slot for a ${keyKinds[at.by]}`,
    hint: (at) =>
      at.by === 'passphrase' || at.by === 'key-file'
        ? `give the ${at.by === 'passphrase' ? 'key file' : 'passphrase'} that it was created with`
        : 'open it with a key that it has a slot for, and add this one: wharf repository key add',
  },
  keyProgram: {
    exit: 'denied',
    message: (at: { program: string; reason: string }) => `the key program ${at.program} failed: ${at.reason}`,
    hint: () =>
      'run it by hand as the user that runs wharf; its standard error says more. The repository was not touched',
  },
  newerDataKey: {
    exit: 'failed',
    passing: true,
    message: (at: { object: string; number: number; known: number }) =>
      `${at.object} is sealed with data key ${at.number}, which was made after this program read the keys up to ${at.known}`,
    hint: () => 'keys were rotated meanwhile: try again, or start the program anew',
  },
  unknownSlot: {
    exit: 'notFound',
    message: (at: At & { slot: string }) => `there is no key slot ${at.slot} in ${at.location}`,
    hint: () => 'list them with: wharf repository key list',
  },
  lastSlot: {
    exit: 'failed',
    message: (at: At & { slot: string }) => `${at.slot} is the last key slot of ${at.location} that can be read`,
    hint: () =>
      'without it nobody could open the repository ever again: add another one first, with wharf repository key add',
  },
  slotDoesNotOpen: {
    exit: 'failed',
    message: (at: At & { by: KeyKind }) =>
      `the ${keyKinds[at.by]} does not open the slot that was just made for it in ${at.location}`,
    hint: () => 'the slot was removed again; a wrapper must give back exactly the bytes that it wrapped',
  },
  oneNewKey: {
    exit: 'usage',
    message: () => 'exactly one of --key-file, --passphrase-file, --command and --wrapper is needed',
    hint: () => 'say how the repository shall be opened as well',
  },
  notEncrypted: {
    exit: 'failed',
    message: (at: At) => `the repository at ${at.location} is not encrypted: it has no keys`,
    hint: () => 'copy it into an encrypted one: wharf repository copy',
  },
  encryptionMismatch: {
    exit: 'configuration',
    message: (at: At & { encrypted: boolean }) =>
      at.encrypted
        ? `the repository at ${at.location} is encrypted, but no key is given`
        : `the repository at ${at.location} is not encrypted, but a key is given`,
    hint: (at) =>
      at.encrypted
        ? 'give the key file or passphrase that it was created with: in wharf.yaml, or by --key-file or --passphrase-file with --repository-path'
        : 'if it was created that way, write encryption: none and give no key; otherwise somebody replaced it: do not use it',
  },
  noPruneKey: {
    exit: 'denied',
    message: (at: At & { by: string }) =>
      `the repository at ${at.location} has no prune key for a ${at.by === 'passphrase' ? 'passphrase' : 'key file'}`,
    hint: () => 'make one with: wharf repository prune-key',
  },
  wrongPruneKey: {
    exit: 'denied',
    message: (at: At & { by: string }) =>
      `the ${at.by === 'passphrase' ? 'passphrase' : 'key file'} does not open a prune key of the repository at ${at.location}`,
    hint: () => 'check prune of this repository in wharf.yaml; nothing was deleted',
  },
  noPruneDeclared: {
    exit: 'configuration',
    message: (at: { name: string }) => `repository "${at.name}" has no prune key in wharf.yaml: nothing can be deleted`,
    hint: () =>
      'on the host that may delete, give the repository prune: { key_file: PATH } and run wharf repository prune-key',
  },
  pruneKeyThere: {
    exit: 'failed',
    message: (at: At) => `the repository at ${at.location} has a prune key for this secret already`,
    hint: () => 'nothing was changed; use it as it is',
  },
  keyFileMissing: {
    exit: 'environment',
    message: (at: { path: string }) => `the key file ${at.path} does not exist`,
    hint: () =>
      'bring back the copy that was kept elsewhere; a new repository gets a new key file by wharf repository init',
  },
  keyFileInside: {
    exit: 'configuration',
    message: (at: At & { path: string }) => `the key file ${at.path} would lie inside the repository at ${at.location}`,
    hint: () => 'who steals the repository must not get its key with it: put key_file somewhere else',
  },
  keyFileUnreadable: {
    exit: 'denied',
    message: (at: { path: string; reason: string }) => `the key file ${at.path} cannot be read: ${at.reason}`,
    hint: () => 'the user that runs wharf needs the right to read it',
  },
  keyFileWrong: {
    exit: 'configuration',
    message: (at: { path: string }) => `${at.path} is not a key file of wharf`,
    hint: () => 'a key file is one line: wharfinger-key-1 and 64 hexadecimal digits',
  },
})
