# The function of the tests.
def handler(event:, context:)
  case event['do']
  when 'fail' then raise ArgumentError, 'wrong'
  when 'crash' then exit!(3)
  when 'sleep' then sleep(60)
  when 'hog'
    held = []
    loop { held << 'x' * (1 << 20) }
  when 'layer' then return { got: File.read('/opt/text.txt') }
  end
  puts "a line of #{context.aws_request_id}"
  { got: event['value'] }
end
