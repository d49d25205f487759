// Naru-bootstrap is a function for runtimes such as provided.al2023 that returns
// its event. It is embedded in naru, whose bench lambda starts it to tell what a
// Go program's cold start takes.
package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"os"
	"strconv"
)

func main() {
	fmt.Fprintln(os.Stderr, "bootstrap:", run(os.Getenv("AWS_LAMBDA_RUNTIME_API")))
	os.Exit(1)
}

// run answers one invocation after the other, over one connection with the
// Runtime API, until that fails.
func run(api string) error {
	conn, err := net.Dial("tcp", api)
	if err != nil {
		return err
	}
	in := bufio.NewReader(conn)
	const path = "/2018-06-01/runtime/invocation/"
	for {
		if _, err := fmt.Fprintf(conn, "GET %snext HTTP/1.1\r\nHost: %s\r\n\r\n", path, api); err != nil {
			return err
		}
		header, event, err := reply(in)
		if err != nil {
			return err
		}
		id := header.Get("Lambda-Runtime-Aws-Request-Id")
		if _, err := fmt.Fprintf(conn, "POST %s%s/response HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n%s", path, id, api, len(event), event); err != nil {
			return err
		}
		if _, _, err := reply(in); err != nil {
			return err
		}
	}
}

// reply reads a reply, whose length must be told.
func reply(in *bufio.Reader) (textproto.MIMEHeader, []byte, error) {
	text := textproto.NewReader(in)
	status, err := text.ReadLine()
	if err != nil {
		return nil, nil, err
	}
	header, err := text.ReadMIMEHeader()
	if err != nil {
		return nil, nil, err
	}
	length, err := strconv.Atoi(header.Get("Content-Length"))
	if err != nil {
		return nil, nil, fmt.Errorf("a reply without a length: %s", status)
	}
	body := make([]byte, length)
	_, err = io.ReadFull(in, body)
	return header, body, err
}
