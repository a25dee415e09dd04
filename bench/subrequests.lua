-- A wrk script. It sends subrequests as the shipped nginx configuration does (deploy/nginx/authgate_server.conf). Each
-- request has one header line of FILE, in turn. The result is one line of JSON.
-- Usage: wrk … -s subrequests.lua URL -- FILE

local requests, position = {}, 0

function init(args)
  for line in io.lines(args[1]) do
    local name, value = line:match("^(.-): (.*)$")
    requests[#requests + 1] = wrk.format("GET", "/auth/nginx", {
      ["Host"] = "authgate",
      ["X-Original-Method"] = "GET",
      ["X-Original-URL"] = "https://app.example.com/api/v1/tasks?page=2",
      ["X-Forwarded-For"] = "203.0.113.7",
      ["X-Request-Id"] = "7b1e0f6c2d9a4e58b3c1d2e4f5a69788",
      ["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
      ["Accept"] = "application/json",
      ["Accept-Encoding"] = "gzip, deflate, br",
      ["Accept-Language"] = "en-US,en;q=0.5",
      [name] = value,
    })
  end
end

function request()
  position = position % #requests + 1
  return requests[position]
end

function done(summary, latency, _)
  local errors = summary.errors
  io.write(string.format(
    '{"replies": %d, "refusals": %d, "failures": %d, "microseconds": %d, "p50": %d, "p99": %d}\n',
    summary.requests, errors.status, errors.connect + errors.read + errors.write + errors.timeout,
    summary.duration, latency:percentile(50), latency:percentile(99)))
end
