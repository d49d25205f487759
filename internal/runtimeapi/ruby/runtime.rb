# Naru's runtime for Ruby: it loads a function's handler and runs it for each
# invocation, as AWS's runtimes for ruby3.x do. What goes over descriptor 3 is
# described in Naru's package runtimeapi.
require 'json'

# What handlers get to know of their invocation.
class LambdaContext
  attr_reader :aws_request_id, :deadline_ms, :invoked_function_arn, :client_context, :identity, :tenant_id,
              :function_name, :function_version, :memory_limit_in_mb, :log_group_name, :log_stream_name

  def initialize(call)
    @aws_request_id = call.request_id
    @deadline_ms = call.deadline
    @invoked_function_arn = call.arn
    @client_context = JSON.parse(call.client_context) unless call.client_context.empty?
    @identity = JSON.parse(call.identity) unless call.identity.empty?
    @function_name = ENV['AWS_LAMBDA_FUNCTION_NAME']
    @function_version = ENV['AWS_LAMBDA_FUNCTION_VERSION']
    @memory_limit_in_mb = ENV['AWS_LAMBDA_FUNCTION_MEMORY_SIZE']
    @log_group_name = ENV['AWS_LAMBDA_LOG_GROUP_NAME']
    @log_stream_name = ENV['AWS_LAMBDA_LOG_STREAM_NAME']
  end

  def get_remaining_time_in_millis
    @deadline_ms - (Time.now.to_f * 1000).to_i
  end
end

# The runtime.
module Naru
  VERSION, HEADER = 1, 8
  NEXT, RESPONSE, FAILURE, INIT_FAILURE = 1, 2, 3, 4

  FORM = 'must be of form FILENAME.METHOD or FILENAME.CLASS.METHOD where FILENAME corresponds with an existing Ruby ' \
         'source file FILENAME.rb, CLASS is an optional module/class namespace and METHOD is a callable method. ' \
         'If using CLASS, METHOD must be a class-level method.'

  # An invocation, as it arrives.
  class Call
    attr_reader :number, :deadline, :request_id, :arn, :trace, :client_context, :identity, :payload

    def initialize(body)
      @number, @deadline = body.unpack('NQ>')
      @body = body
      @at = 12
      @request_id, @arn, @trace = text(2), text(2), text(2)
      @client_context, @identity = text(4), text(4)
      @payload = body.byteslice(@at..-1).force_encoding('UTF-8')
    end

    private

    def text(size)
      length = @body.byteslice(@at, size).unpack1(size == 2 ? 'n' : 'N')
      @at += size + length
      @body.byteslice(@at - length, length).force_encoding('UTF-8')
    end
  end

  # Finds and calls the method that a handler names.
  class Handler
    def initialize(name, root)
      parts = name.split('.')
      raise ArgumentError, "Invalid handler #{name}, #{FORM}" unless [2, 3].include?(parts.length)

      @method = parts.last.to_sym
      require File.expand_path(parts.first + '.rb', root)
      @owner = parts.length == 3 ? Object.const_get(parts[1]) : TOPLEVEL_BINDING.receiver
      return if @owner.respond_to?(@method, true)

      raise NoMethodError.new("undefined method '#{@method}' for #{@owner}", @method)
    end

    def call(event, context)
      @owner.send(@method, event: event, context: context)
    end
  end

  module_function

  def frame(kind, body = '')
    [VERSION, kind, 0, body.bytesize].pack('CCnN') + body.b
  end

  def short(text)
    text = text.b.byteslice(0, 256)
    [text.bytesize].pack('n') + text
  end

  def send(data)
    data = data.byteslice(@link.syswrite(data)..-1) until data.empty?
  rescue SystemCallError, IOError
    exit!(1) # Naru is gone
  end

  def receive(size)
    data = ''.b
    data << @link.sysread(size - data.bytesize) while data.bytesize < size
    data
  rescue SystemCallError, IOError
    exit!(1)
  end

  def next_call
    _, _, _, length = receive(HEADER).unpack('CCnN')
    Call.new(receive(length))
  end

  # Tells of an error as AWS does. Lines of this file are left out.
  def description(error, where)
    stack = (error.backtrace || []).reject { |line| line.start_with?(__FILE__) || line.start_with?('<internal:') }
    { 'errorMessage' => error.message, 'errorType' => "#{where}<#{error.class}>", 'stackTrace' => stack }
  end

  def log(message, description)
    $stdout.puts((message + "\n" + JSON.pretty_generate(description)).gsub("\n", "\r"))
  end

  def answer(handler, call)
    number = [call.number].pack('N')
    result = handler.call(JSON.parse(call.payload, create_additions: false), LambdaContext.new(call))
    payload = defined?(StringIO) && result.is_a?(StringIO) ? result.read : JSON.generate(result)
    frame(RESPONSE, number + payload.b)
  rescue StandardError, ScriptError, NoMemoryError, SystemStackError => e
    told = description(e, 'Function')
    log('Error raised from handler method', told)
    frame(FAILURE, number + short(told['errorType']) + JSON.generate(told).b)
  end

  def load(root)
    $LOAD_PATH.unshift(root)
    Handler.new(ENV.fetch('_HANDLER', ''), root)
  rescue StandardError, ScriptError => e
    told = description(e, 'Init')
    log("Init error when loading handler #{ENV['_HANDLER']}", told)
    send(frame(INIT_FAILURE, short(told['errorType']) + JSON.generate(told).b))
    exit!(252)
  end

  def run
    @link = IO.for_fd(3, 'r+b')
    @link.close_on_exec = true
    $stdout.sync = $stderr.sync = true
    handler = load(ENV.fetch('LAMBDA_TASK_ROOT', Dir.pwd))
    last = ''.b
    loop do
      send(last + frame(NEXT))
      call = next_call
      ENV['_X_AMZN_TRACE_ID'] = call.trace.empty? ? nil : call.trace
      last = answer(handler, call)
    end
  end
end

Naru.run
