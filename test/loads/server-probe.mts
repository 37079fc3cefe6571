import { startServer } from '../support/postgres.ts'
const server = await startServer({ major: Number(process.argv[2] ?? 18) as 18 })
console.log(server.url)
process.on('SIGTERM', () => void server[Symbol.asyncDispose]().then(() => process.exit(0)))
setInterval(() => {}, 1000)
