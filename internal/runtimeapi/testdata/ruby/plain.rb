require 'stringio'

def value(event:, context:)
  { got: event, id: context.aws_request_id, left: context.get_remaining_time_in_millis.between?(1, 60_000) }
end

def nothing(event:, context:); end

def unicode(event:, context:)
  event['text'] + ' ✓'
end

def raw(event:, context:)
  StringIO.new("\x00raw")
end

class OwnError < StandardError; end

def raises(event:, context:)
  raise OwnError, 'wrong'
end

def printed(event:, context:)
  puts 'a line'
  $stderr.puts 'err'
end

def leaves(event:, context:)
  exit 3
end

def size(event:, context:)
  event['text'].length
end

def repeat(event:, context:)
  'x' * event['n']
end

module Things
  class Worker
    def self.work(event:, context:)
      'by a class'
    end
  end
end
