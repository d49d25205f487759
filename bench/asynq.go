package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"

	"github.com/hibiken/asynq"
)

// asynqOnRedis drains tasks with asynq on a Redis with an append-only file that
// is synced always or every second.
func asynqOnRedis(ctx context.Context, o options, appendfsync string) (took time.Duration, err error) {
	s, err := newServer(o.dir, syscall.SIGTERM)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	if err := s.start("redis-server", "--bind", "127.0.0.1", "--port", fmt.Sprint(s.port), "--dir", s.dir, "--save", "", "--appendonly", "yes", "--appendfsync", appendfsync); err != nil {
		return 0, err
	}
	redis := asynq.RedisClientOpt{Addr: fmt.Sprintf("127.0.0.1:%d", s.port), PoolSize: o.workers}
	client := asynq.NewClient(redis)
	defer client.Close()
	patience, stop := context.WithTimeout(ctx, 20*time.Second)
	defer stop()
	if err := await(patience, func() (int, error) {
		if client.Ping() != nil {
			return 1, nil
		}
		return 0, nil
	}); err != nil {
		return 0, err
	}
	if err := fillAsynq(ctx, client, o); err != nil {
		return 0, err
	}
	inspector := asynq.NewInspector(redis)
	defer inspector.Close()
	workers := asynq.NewServer(redis, asynq.Config{Concurrency: o.workers, LogLevel: asynq.ErrorLevel})
	start := time.Now()
	if err := workers.Start(asynq.HandlerFunc(func(context.Context, *asynq.Task) error { return nil })); err != nil {
		return 0, err
	}
	defer workers.Shutdown()
	err = await(ctx, func() (int, error) {
		q, err := inspector.GetQueueInfo("default")
		if err != nil {
			return 0, err
		}
		return q.Size, nil
	})
	return time.Since(start), err
}

func fillAsynq(ctx context.Context, client *asynq.Client, o options) error {
	payload := []byte(o.payload())
	errs := make([]error, o.workers)
	var all sync.WaitGroup
	for k := range errs {
		all.Go(func() {
			for i := k; i < o.tasks && errs[k] == nil; i += o.workers {
				_, errs[k] = client.EnqueueContext(ctx, asynq.NewTask("nothing", payload))
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}
