package sqs

import (
	"naru/internal/wire"
)

const legacy = "AWS.SimpleQueueService."

// errorForms says what errors are called: in JSON by the model's names, and
// otherwise as the query protocol always has.
var errorForms = map[string]wire.ErrorForm{
	"QueueDoesNotExist":            {Query: legacy + "NonExistentQueue", QueryMessage: "The specified queue does not exist for this wsdl version."},
	"QueueNameExists":              {Query: "QueueAlreadyExists"},
	"QueueDeletedRecently":         {Query: legacy + "QueueDeletedRecently"},
	"PurgeQueueInProgress":         {Query: legacy + "PurgeQueueInProgress", Status: 403},
	"InvalidParameterValue":        {Type: "com.amazon.coral.service#InvalidParameterValueException"},
	"MissingParameter":             {Type: "com.amazon.coral.service#MissingRequiredParameterException"},
	"MissingAction":                {Type: "com.amazon.coral.service#MissingRequiredParameterException"},
	"ReceiptHandleIsInvalid":       {Status: 404},
	"BatchRequestTooLong":          {Query: legacy + "BatchRequestTooLong"},
	"TooManyEntriesInBatchRequest": {Query: legacy + "TooManyEntriesInBatchRequest"},
	"EmptyBatchRequest":            {Query: legacy + "EmptyBatchRequest"},
	"BatchEntryIdsNotDistinct":     {Query: legacy + "BatchEntryIdsNotDistinct"},
	"InvalidBatchEntryId":          {Query: legacy + "InvalidBatchEntryId"},
	"MessageNotInflight":           {Query: legacy + "MessageNotInflight"},
	"UnsupportedOperation":         {Query: legacy + "UnsupportedOperation"},
	"OverLimit":                    {Status: 403},
	"ResourceNotFoundException":    {Status: 404},
}

func errNoQueue() error {
	return wire.Errorf("QueueDoesNotExist", "The specified queue does not exist.")
}

func missing(parameter string) error {
	return wire.Errorf("MissingParameter", "The request must contain the parameter %s.", parameter)
}

// invalid says that a parameter has a bad value.
func invalid(value any, parameter, reason string) error {
	return wire.Errorf("InvalidParameterValue", "Value %v for parameter %s is invalid. Reason: %s", value, parameter, reason)
}

func badHandle(handle string) error {
	return wire.Errorf("ReceiptHandleIsInvalid", "The input receipt handle %q is not a valid receipt handle.", handle)
}
