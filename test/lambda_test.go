package test

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"os/exec"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// anyRole is the role of functions in open mode that need none.
var anyRole = roleARN("none")

// needNode fails a test of functions where there is nothing to run them.
func needNode(t testing.TB) {
	t.Helper()
	if _, err := exec.LookPath("node"); err != nil {
		t.Fatal("there is no Node.js here")
	}
}

// zipped returns a zip file of names and texts.
func zipped(t testing.TB, pairs ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for i := 0; i < len(pairs); i += 2 {
		f, err := z.Create(pairs[i])
		if err == nil {
			_, err = f.Write([]byte(pairs[i+1]))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// function makes a function of the text of its index.js, and waits until it is
// active.
func function(t testing.TB, n *naru, name, code string, change func(*lambda.CreateFunctionInput)) {
	t.Helper()
	in := &lambda.CreateFunctionInput{
		FunctionName: &name, Role: &anyRole, Runtime: types.RuntimeNodejs20x, Handler: aws.String("index.handler"),
		Code: &types.FunctionCode{ZipFile: zipped(t, "index.js", code)},
	}
	if change != nil {
		change(in)
	}
	client := n.user().lambda()
	if _, err := client.CreateFunction(background, in); err != nil {
		t.Fatal(err)
	}
	waiter := lambda.NewFunctionActiveV2Waiter(client)
	if err := waiter.Wait(background, &lambda.GetFunctionInput{FunctionName: &name}, patience); err != nil {
		t.Fatal(err)
	}
}

// invoke invokes a function and returns what it answers.
func invoke(t testing.TB, n *naru, name, payload string) *lambda.InvokeOutput {
	t.Helper()
	out, err := n.user().lambda().Invoke(background, &lambda.InvokeInput{FunctionName: &name, Payload: []byte(payload), LogType: types.LogTypeTail})
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return out
}

// tail returns the end of the log of an invocation.
func tail(t testing.TB, out *lambda.InvokeOutput) string {
	t.Helper()
	text, err := base64.StdEncoding.DecodeString(aws.ToString(out.LogResult))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
