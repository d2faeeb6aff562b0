-- Makes wrk say what it measured as one line of JSON. With `--pause N` each client waits between 0
-- and N milliseconds before each request; with `--mixed` it asks with several methods in turn.

local BODY = string.rep("x", 1024)
-- Without HEAD: wrk would wait for a body.
local MIXED = {
  { "GET" }, { "GET" }, { "GET" }, { "POST", BODY }, { "GET" }, { "OPTIONS" }, { "PUT", BODY },
  { "GET" }, { "DELETE" },
}

local function asks_mixed()
  local ready, turn = {}, 0
  for index, asked in ipairs(MIXED) do
    ready[index] = wrk.format(asked[1], nil, nil, asked[2])
  end
  function request()
    turn = turn % #ready + 1
    return ready[turn]
  end
end

local function pauses(most)
  function delay()
    return math.random(0, most)
  end
end

-- Called before wrk looks which of the functions there are.
function init(args)
  for index, arg in ipairs(args) do
    if arg == "--mixed" then asks_mixed() end
    if arg == "--pause" then pauses(tonumber(args[index + 1])) end
  end
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '{"requests":%d,"durationUs":%d,"p50Us":%d,"p99Us":%d,"failed":%d,"bytes":%d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout, summary.bytes))
end
