// What HAProxy's own language cannot do: change headers whose names are known at run time only; and connections that moved
// (moves.ts), while there are any.
//
// A spec is all that is in force, or about to be, for one listener whose rules are extended (rules.ts), changes or not:
// versions with "|" between them, each
// tag!questions!changes, fields with "," and items with "/" between them, texts in hexadecimal:
//   question   NAME (is it there?) or NAME=VALUE (is it there once, with this value?)
//   change     LIST,MISMATCH,QUESTION,NAME,VALUE: what is done when the question is answered with no; no question: always

/** The kernel opens a connection, and knows of it, before HAProxy accepts it: this long at most, however busy it is. */
const acceptedWithinMs = 1_000;

/** @param maps files that name the maps: listener's port -> spec, connection -> where it moved */
export function headersScript(maps: { readonly specs: string; readonly moved: string }): string {
  return `local specs = Map.new(${JSON.stringify(maps.specs)}, Map._str)
local moved = Map.new(${JSON.stringify(maps.moved)}, Map._str)
local parsed = {}
local count = 0

local function unhex(text)
  return (text:gsub("%x%x", function(digits) return string.char(tonumber(digits, 16)) end))
end

local function parse(text)
  local versions = {}
  for tag, questions, changes in text:gmatch("([%w]+)!([^!|]*)!([^!|]*)") do
    local version = { questions = {}, changes = {} }
    for name, value in questions:gmatch("([%x]+)(=?%x*)") do
      local wanted = nil
      if value ~= "" then wanted = unhex(value:sub(2)) end
      table.insert(version.questions, { name = unhex(name), value = wanted })
    end
    for list, mismatch, question, name, value in changes:gmatch("(%d+),(%l+),(%d*),(%x*),(%x*)") do
      table.insert(version.changes, {
        list = tonumber(list), mismatch = mismatch, question = tonumber(question),
        name = unhex(name), value = unhex(value),
      })
    end
    versions[tag] = version
  end
  return versions
end

-- The texts of specs are few, and change with policies.
local function versions_of(port)
  local text = specs:lookup(port)
  if text == nil then return {} end
  local found = parsed[text]
  if found == nil then
    if count > 1000 then parsed = {}; count = 0 end
    found = parse(text)
    parsed[text] = found
    count = count + 1
  end
  return found
end

local function holds(question, headers)
  -- The host is asked about by itself.
  if question.name == "host" then return false end
  local lines = headers[question.name]
  if lines == nil then return false end
  if question.value == nil then return true end
  return lines[1] == nil and lines[0] == question.value
end

-- Carries out what the verdict txn.v says: aRULE,TAG,LIST. Sets txn.l to names of headers that are only told about.
core.register_action("change_headers", { "http-req" }, function(txn)
  local port = tostring(txn:get_var("txn.p"))
  local verdict = txn:get_var("txn.v")
  local tag, list = verdict:match(",(%w+),(%d+)$")
  local version = versions_of(port)[tag]
  -- Then it stays what it is, and is not let through with headers as they are; nor when anything here fails.
  if version == nil then return end
  local headers = txn.http:req_get_headers()
  local told = {}
  for _, change in ipairs(version.changes) do
    local question = change.question and version.questions[change.question]
    if change.list == tonumber(list) and not (question and holds(question, headers)) then
      if change.mismatch == "log" then table.insert(told, change.name)
      elseif change.mismatch == "add" then txn.http:req_add_header(change.name, change.value)
      elseif change.mismatch == "delete" then txn.http:req_del_header(change.name)
      elseif change.mismatch == "replace" then txn.http:req_set_header(change.name, change.value)
      end
    end
  end
  if #told > 0 then txn:set_var("txn.l", table.concat(told, ",")) end
  txn:set_var("txn.v", (verdict:gsub("^b", "a"):gsub("^B", "A")))
end)

-- Sets txn.p to the port whose rules hold, and txn.m when it is known. A value is MILLISECONDS:PORT. A connection that
-- is accepted within a moment after that is this one, which waited to be accepted; one that comes later is another one
-- from the same port, of which the agent has not told yet. It ends, and its client comes again.
core.register_action("move", { "http-req" }, function(txn)
  local own = tostring(txn:get_var("txn.p"))
  local ends = { own, txn.f:src(), txn.f:src_port(), txn.f:dst(), txn.f:dst_port() }
  local value = moved:lookup(table.concat(ends, "|"))
  if value ~= nil then
    local at, port = value:match("^(%d+):(%d+)$")
    if tonumber(at) + ${acceptedWithinMs} < txn:get_var("sess.born") then return end
    txn:set_var("txn.p", port)
  end
  txn:set_var("txn.m", true)
end)
`;
}
