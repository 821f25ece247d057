# ActiveRecord's pool over ruby-pg. What is said and heard: see speech.py.

require "json"
require "active_record"
require "pg"

ABOUT = JSON.parse(ARGV[0])
AN_INVOICE = "SELECT pg_backend_pid() AS pid, id, total FROM invoices WHERE id = 7"
AN_ORDER = "SELECT pg_backend_pid() AS pid, id, status FROM orders WHERE id = 7"
A_FAILURE = "SELECT 1 / (id - id) FROM orders WHERE id = 7"
A_LONG_RESULT = "SELECT pg_backend_pid() AS pid, repeat('x', 8000) AS body FROM generate_series(1, 100000)"
REFUSALS = [ActiveRecord::ConnectionTimeoutError, ActiveRecord::ConnectionNotEstablished, PG::ConnectionBad]

Thread.report_on_exception = false
STDOUT.sync = true

# A pool of its own for each abstract class, as Rails has one for each database.
def make(most)
  $made = ($made || 0) + 1
  base = Object.const_set("Database#{$made}", Class.new(ActiveRecord::Base) { self.abstract_class = true })
  settings = {
    adapter: "postgresql", host: ABOUT["host"], port: ABOUT["port"], username: ABOUT["user"],
    database: ABOUT["database"], pool: most, checkout_timeout: 0.5, reaping_frequency: nil, idle_timeout: 0,
    prepared_statements: false,
  }
  settings[:variables] = { "application_name" => ABOUT["app"] } unless ABOUT["app"].to_s.empty?
  base.establish_connection(settings)
  base.connection_pool
end

# Each connection is leased to the thread that took it; a thread of its own holds it as a request of Puma does.
class Request
  attr_reader :connection

  def initialize(pool)
    @orders, @answers = Queue.new, Queue.new
    @thread = Thread.new do
      @answers << attempt { @connection = pool.checkout }
      while (order = @orders.pop)
        @answers << attempt { order.call(@connection) }
      end
    end
    wait
  end

  def do(&order)
    @orders << order
    wait
  end

  def end
    @orders << nil
    @thread.join
  end

  private

  def attempt
    [yield, nil]
  rescue StandardError => error
    [nil, error]
  end

  def wait
    value, error = @answers.pop
    raise error if error
    value
  end
end

def pid_of(connection, sql)
  connection.select_value(sql).to_i
end

def work(pool, count, sql = AN_ORDER)
  requests = []
  begin
    Array.new(count) do
      requests << Request.new(pool)
      requests.last.do { |connection| pid_of(connection, sql) }
    end
  ensure
    requests.each do |request|
      request.do { |connection| pool.checkin(connection) }
      request.end
    end
  end
end

def pool
  $first ||= make(ABOUT["most"])
end

def taken
  request = Request.new(pool)
  ($kept ||= []) << request
  request
end

def obey(command, number)
  case command
  when "work" then { pids: work(pool, number) }
  when "worker"
    $workers ||= {}
    $workers[number] ||= make(1)
    { pids: work($workers[number], 1) }
  when "ping"
    # As the keepalive of newer versions does: an empty statement on each that is free.
    free = pool.connections.reject(&:in_use?)
    free.each { |connection| connection.raw_connection.exec(";") }
    {}
  when "leak" then { leaked: [taken.do { |connection| pid_of(connection, AN_INVOICE) }] }
  when "error"
    request = taken
    pid = request.do { |connection| pid_of(connection, AN_INVOICE) }
    begin
      request.do { |connection| connection.transaction { connection.execute(A_FAILURE) } }
    rescue ActiveRecord::StatementInvalid => error
      raise unless error.message.include?("division by zero")
    end
    { leaked: [pid] }
  when "transaction"
    pid = taken.do do |connection|
      connection.begin_db_transaction
      pid_of(connection, AN_INVOICE)
    end
    { leaked: [pid] }
  when "unread"
    pid = taken.do do |connection|
      raw = connection.raw_connection
      raw.send_query(A_LONG_RESULT)
      raw.set_single_row_mode
      raw.get_result.getvalue(0, 0).to_i
    end
    { leaked: [pid] }
  when "engine"
    ($kept ||= []) << (one = make(1))
    { leaked: work(one, 1, AN_INVOICE) }
  when "with"
    connection = PG.connect(
      host: ABOUT["host"], port: ABOUT["port"], user: ABOUT["user"], dbname: ABOUT["database"],
      application_name: ABOUT["app"].to_s
    )
    ($kept ||= []) << connection
    { leaked: [connection.transaction { |inside| inside.exec(AN_INVOICE).getvalue(0, 0).to_i }] }
  when "reload"
    before, $first = $block || [], make(ABOUT["most"])
    $block = work($first, number)
    { pids: $block, leaked: before }
  else raise ArgumentError, command
  end
end

puts JSON.generate(ready: true)
while (line = STDIN.gets)
  command, number = line.split
  exit!(0) if command == "quit"
  begin
    puts JSON.generate(obey(command, (number || 1).to_i))
  rescue *REFUSALS => error
    puts JSON.generate(refused: error.message)
  end
end
exit!(0)
