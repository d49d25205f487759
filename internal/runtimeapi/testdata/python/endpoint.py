import http.client
import json
import urllib.request


def https(event, context):
    connection = http.client.HTTPSConnection(event["host"], timeout=5)
    connection.request(event.get("method", "GET"), event.get("path", "/"), event.get("body"), {"X-Amz-Target": "T"})
    return json.loads(connection.getresponse().read())


def opened(event, context):
    with urllib.request.urlopen(event["url"]) as response:
        return json.loads(response.read())


def queues(event, context):
    import boto3
    return boto3.client("sqs").send_message(QueueUrl="https://sqs.us-east-1.amazonaws.com/1/q", MessageBody="m")["ResponseMetadata"]["HTTPStatusCode"]
