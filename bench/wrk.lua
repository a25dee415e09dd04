-- A wrk script that sends the request heads of a file, counts every status, and prints one line of JSON.
-- Usage: wrk ... -s wrk.lua URL -- HEADS MODE SEED [ORDER]
-- HEADS has complete heads, each ended by an empty line. MODE is
--   again  send them in turn (or in the order of the file ORDER, which has one number a line), until the time is over
--   once   send each of them once, and end with the reply to the last one
--   vary   they are formats: each request gets numbers that no other request has; SEED is where these begin
local ffi = require("ffi")
ffi.cdef("typedef struct { long seconds; long nanoseconds; } instant; int clock_gettime(int clock, instant *now);")

local heads, order, position, number, mode = {}, nil, 0, 0, "again"
local begun, expected = nil, nil
statuses, replies = {}, 0

local function now()
  local instant = ffi.new("instant")
  ffi.C.clock_gettime(1, instant)
  return tonumber(instant.seconds) + tonumber(instant.nanoseconds) / 1e9
end

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end

function setup(thread)
  threads = threads or {}
  threads[#threads + 1] = thread
end

function init(args)
  local text, from = read(args[1]), 1
  while true do
    local _, last = text:find("\r\n\r\n", from, true)
    if not last then break end
    heads[#heads + 1] = text:sub(from, last)
    from = last + 1
  end
  mode, number = args[2], tonumber(args[3])
  if args[4] then
    order = {}
    for line in io.lines(args[4]) do order[#order + 1] = tonumber(line) end
  end
  expected = mode == "once" and #heads or nil
end

local function report(seconds, errors, p50, p99)
  local counts = {}
  for status, count in pairs(statuses) do counts[#counts + 1] = string.format('"%d": %d', status, count) end
  io.write(string.format('{"replies": %d, "seconds": %.6f, "failures": %d, "p50_us": %d, "p99_us": %d, "statuses": {%s}}\n',
    replies, seconds, errors, p50, p99, table.concat(counts, ", ")))
  io.flush()
end

local function vary(head)
  number = number + 1
  local mixed = number * 2654435761 % 4294967296
  return head:format(number, number % 50, number % 250 + 1, mixed, number, mixed, number)
end

function request()
  if not begun then  -- wrk asks for one request before the run, and does not send it
    if position == 0 and not verified then
      verified = true
      return mode == "vary" and vary(heads[1]) or heads[1]
    end
    begun = now()
  end
  position = position + 1
  if order then return heads[order[(position - 1) % #order + 1]] end
  local head = heads[mode == "once" and math.min(position, #heads) or (position - 1) % #heads + 1]
  if mode == "vary" then return vary(head) end
  return head
end

function response(status)
  replies = replies + 1
  statuses[status] = (statuses[status] or 0) + 1
  if replies == expected then
    report(now() - begun, 0, 0, 0)
    os.exit(0)
  end
end

function done(summary, latency)
  local errors = summary.errors
  statuses, replies = threads[1]:get("statuses"), threads[1]:get("replies")
  report(summary.duration / 1e6, errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50), latency:percentile(99))
end
