// logEvents returns the events of a function's log group, none if it has none.
export async function logEvents(logs, functionName) {
  const events = [];
  let nextToken;
  do {
    let page;
    try {
      page = await logs.call('FilterLogEvents', { logGroupName: `/aws/lambda/${functionName}`, nextToken });
    } catch (error) {
      if (error.code === 'ResourceNotFoundException') return [];
      throw error;
    }
    events.push(...page.events);
    ({ nextToken } = page);
  } while (nextToken);
  return events;
}

// logLines returns their texts.
export async function logLines(logs, functionName) {
  return (await logEvents(logs, functionName)).map((event) => event.message.trimEnd());
}
