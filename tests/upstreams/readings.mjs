// How servers on Node read a path. Each entry returns the path that it serves, decoded as far as it decodes; null if it
// answers that the request is bad.
import express4 from 'express4'
import express5 from 'express5'

const decoded = (read) => (url) => {
  try {
    return decodeURIComponent(read(url))
  } catch {
    return null
  }
}

// An Express application with a handler for each of these patterns, in this order. "/a/**" is everything below /a.
export const application = (express, patterns, handle) => {
  const app = express()
  app.disable('x-powered-by')
  for (const pattern of patterns) {
    const handler = (request, response) => handle(pattern, request, response)
    if (pattern.endsWith('/**')) app.use(pattern.slice(0, -3) || '/', handler)
    else app.all(pattern, handler)
  }
  app.use((error, request, response, next) => handle(null, request, response))
  return app
}

// Express's answer to a request that comes from no connection.
const answered = (app, url) => {
  let answer = null
  app({ url, method: 'GET', headers: {} }, { answer: (value) => { answer = value }, setHeader() {} }, () => {})
  return answer
}
const served = (express, pattern) => {
  const app = application(express, [pattern], (found, { params }, response) =>
    response.answer(found === null ? null : `/${[params.rest ?? params[0] ?? []].flat().join('/')}`))
  return (url) => answered(app, url)
}

export const READINGS = {
  url: decoded((url) => new URL(url, 'http://localhost').pathname),
  host_url: decoded((url) => new URL(`http://localhost${url}`).pathname),
  express4: served(express4, '/*'),
  express5: served(express5, '/{*rest}'),
}

// The pattern of the handler that each Express chooses for a URL: without regard to case and a trailing slash.
export const routers = (patterns) => {
  const handle = (found, request, response) => response.answer(found)
  const apps = { express4: application(express4, patterns, handle), express5: application(express5, patterns, handle) }
  return (url) => Object.fromEntries(Object.entries(apps).map(([name, app]) => [name, answered(app, url)]))
}
