package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"time"

	"golang.org/x/sync/errgroup"
)

// node measures the interpreter, from its start to its end.
func (b *lambdaBench) node(ctx context.Context) error {
	return b.times(b.step(stepNode, 1), b.Starts, nothing, func() error { return exec.CommandContext(ctx, b.Node, "-e", "0").Run() })
}

// cold measures first invocations: each of another function, so that no other
// environment ends meanwhile.
func (b *lambdaBench) cold(ctx context.Context, step string, p program) error {
	name := ""
	create := func() error {
		b.made++
		name = fmt.Sprintf("cold-%d", b.made)
		return b.create(ctx, name, p)
	}
	return b.times(b.step(step, 1), b.Starts, create, func() error {
		return b.call(ctx, "POST", b.endpoint+functionsPath+name+"/invocations", payload)
	})
}

// rebuild makes the environments that there are of no more use.
func (b *lambdaBench) rebuild(ctx context.Context) error {
	b.made++
	body := fmt.Sprintf(`{"Environment":{"Variables":{"BUILD":"%d"}}}`, b.made)
	return b.call(ctx, "PUT", b.endpoint+functionsPath+"bench/configuration", []byte(body))
}

// spare measures first invocations of an environment that was started since all
// others were busy.
func (b *lambdaBench) spare(ctx context.Context) error {
	const held = 2 * time.Second
	var busy errgroup.Group
	prepare := func() error {
		if err := busy.Wait(); err != nil {
			return err
		}
		if err := b.rebuild(ctx); err != nil {
			return err
		}
		busy.Go(func() error {
			return b.call(ctx, "POST", b.endpoint+invocations, fmt.Appendf(nil, `{"wait":%d}`, held.Milliseconds()))
		})
		return sleep(ctx, held*3/4)
	}
	err := b.times(b.step(stepSpare, 1), min(b.Starts, 3), prepare, func() error { return b.call(ctx, "POST", b.endpoint+invocations, payload) })
	return errors.Join(busy.Wait(), err)
}

// bare measures what the Go program takes by itself: from its start, as a plain
// process, until it has asked a server of the Runtime API for its first event.
func (b *lambdaBench) bare(ctx context.Context) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer listener.Close()
	var c *exec.Cmd
	end := func() error {
		if c == nil {
			return nil
		}
		err := c.Process.Kill()
		_ = c.Wait() // it was killed
		c = nil
		return err
	}
	err = b.times(b.step(stepBare, 1), b.Starts, end, func() error {
		c = exec.CommandContext(ctx, b.bootstrap)
		c.Env = []string{"AWS_LAMBDA_RUNTIME_API=" + listener.Addr().String()}
		if err := c.Start(); err != nil {
			return err
		}
		return asked(listener)
	})
	return errors.Join(err, end())
}

// asked returns once a program has connected and asked for something.
func asked(listener net.Listener) error {
	conn, err := listener.Accept()
	if err != nil {
		return err
	}
	in := bufio.NewReader(conn)
	for line := ""; line != "\r\n" && err == nil; {
		line, err = in.ReadString('\n')
	}
	return errors.Join(err, conn.Close())
}
