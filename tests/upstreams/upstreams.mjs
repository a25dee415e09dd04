// Upstreams with a protected handler, /api/**, and a page for everything else. Each answers with the handler's name and
// the X-User-Id that arrived. Usage: node upstreams.mjs PORT_OF_url PORT_OF_host_url PORT_OF_express4 PORT_OF_express5
import http from 'node:http'
import express4 from 'express4'
import express5 from 'express5'
import { READINGS, application } from './readings.mjs'

const [url, hostUrl, four, five] = process.argv.slice(2).map(Number)

const answer = (request, response, handler) => {
  const text = `${handler} ${request.headers['x-user-id'] ?? ''}`
  response.writeHead(200, { 'Content-Type': 'text/plain', 'Content-Length': Buffer.byteLength(text) }).end(text)
}
// A server without a framework. It compares the first segment as the policies do: without regard to case.
const plain = (read) => (request, response) => {
  let path = null
  try {
    path = read(request)
  } catch {}
  if (path === null) response.writeHead(400, { 'Content-Length': 0 }).end()
  else answer(request, response, /^\/api(?:\/|$)/i.test(path) ? 'protected' : 'page')
}
const framework = (express) =>
  application(express, ['/api/**', '/**'], (found, request, response) =>
    found === null ? response.status(400).end() : answer(request, response, found === '/**' ? 'page' : 'protected'))

http.createServer(plain((request) => READINGS.url(request.url))).listen(url, '127.0.0.1')
http.createServer(plain((request) => decodeURIComponent(new URL(`http://${request.headers.host}${request.url}`).pathname)))
  .listen(hostUrl, '127.0.0.1')
framework(express4).listen(four, '127.0.0.1')
framework(express5).listen(five, '127.0.0.1')
