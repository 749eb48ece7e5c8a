-- Replays the requests of a file, in their order (requests.py says what a record is).
-- Arguments: the file, and `loop` to begin again at its end. Without `loop` the end of the file is
-- a request that nobody serves, so that a round that ran dry is seen (`dry`) and void.

local DRY = "GET /the-file-ran-dry HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"

local threads = {}

function setup(thread)
  table.insert(threads, thread)
end

function init(args)
  file = assert(io.open(args[1], "rb"))
  loop = args[2] == "loop"
end

function request()
  local line = file:read("*l")
  if line == nil then
    if not loop then
      dry = 1
      return DRY
    end
    file:seek("set", 0)
    line = file:read("*l")
  end
  return file:read(tonumber(line:match("^%d+")))
end

function done(summary, latency, requests)
  local e = summary.errors
  local ended = 0
  for _, thread in ipairs(threads) do
    ended = ended + (thread:get("dry") or 0)
  end
  io.write(string.format(
    'RESULT {"requests":%d,"seconds":%.6f,"wrong":%d,"broken":%d,"dry":%d,'
      .. '"p50_ms":%.4f,"p99_ms":%.4f}\n',
    summary.requests, summary.duration / 1e6, e.status, e.connect + e.read + e.write + e.timeout,
    ended, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
