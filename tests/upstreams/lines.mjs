// Answers each line of JSON with a line of JSON:
//   {"read": [URL, …]}                      the path that each reading serves, for each URL
//   {"patterns": [PATTERN, …], "route": [URL, …]}   the pattern of the handler that each Express chooses
//   {"http2": PORT, "ask": [{HEADER: VALUE, …}, …]}  status and body of the answers, all on one connection of HTTP/2
import http2 from 'node:http2'
import readline from 'node:readline'
import { READINGS, routers } from './readings.mjs'

const read = (urls) =>
  urls.map((url) => Object.fromEntries(Object.entries(READINGS).map(([name, reading]) => [name, reading(url)])))

const known = new Map()
const routed = (patterns, urls) => {
  const key = patterns.join(' ')
  if (!known.has(key)) known.set(key, routers(patterns))
  return urls.map(known.get(key))
}

const connect = (port) => http2.connect(`http://127.0.0.1:${port}`).on('error', () => {})

// Status 0: the stream was reset, or the connection closed.
const one = (session, headers) =>
  new Promise((resolve) => {
    const body = []
    let status = 0
    let stream
    try {
      stream = session.request(headers, { endStream: true })
    } catch {
      return resolve({ status: 0, body: '' }) // Node sends no such header
    }
    stream
      .on('response', (answer) => { status = answer[':status'] })
      .on('data', (part) => body.push(part))
      .on('error', () => {})
      .on('close', () => resolve({ status, body: Buffer.concat(body).toString() }))
  })

// A proxy closes a connection after a bad request, and after some hundred good ones: ask again on a new one.
const again = async (port, headers) => {
  const session = connect(port)
  const answer = await one(session, headers)
  session.destroy()
  return answer
}

const ask = async (port, requests) => {
  const answers = []
  let session = connect(port)
  for (const headers of requests) {
    if (session.closed || session.destroyed) session = connect(port)
    const answer = await one(session, headers)
    answers.push(answer.status === 0 ? await again(port, headers) : answer)
  }
  session.destroy()
  return answers
}

for await (const line of readline.createInterface({ input: process.stdin })) {
  const wanted = JSON.parse(line)
  const answer = wanted.read ? read(wanted.read)
    : wanted.patterns ? routed(wanted.patterns, wanted.route)
    : await ask(wanted.http2, wanted.ask)
  console.log(JSON.stringify(answer))
}
