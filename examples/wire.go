// SPDX-License-Identifier: MIT
//
// wire: a client of fdbrokerd in Go, without a library. It copies what it gets to standard output.
//
//	fdbrokerd --run -- sh -c 'fdbroker-put store/note <README.md && go run examples/wire.go store/note'
package main

import (
	"bytes"
	"encoding/json"
	"io"
	"log"
	"net"
	"os"
	"syscall"
)

type reply struct {
	Error      string
	Parameters struct {
		Descriptors []struct {
			Name           string
			FileDescriptor int
		}
	}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// believed says whether the server is root or ourselves: anybody may bind a free abstract name.
func believed(connection *net.UnixConn) (yes bool) {
	raw, err := connection.SyscallConn()
	check(err)
	check(raw.Control(func(fd uintptr) {
		server, err := syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
		yes = err == nil && (server.Uid == 0 || int(server.Uid) == os.Geteuid())
	}))
	return yes
}

func main() {
	address := os.Getenv("FDBROKER_SOCKET")
	if address == "" {
		address = "@fdbrokerd" // Go, too, takes @ for an abstract address
	}
	connection, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: address, Net: "unix"})
	check(err)
	if !believed(connection) {
		log.Fatal(address, ": not a broker to believe")
	}
	call, err := json.Marshal(map[string]any{
		"method":     "io.fdbroker.Broker.Get",
		"parameters": map[string]any{"resource": os.Args[1]},
	})
	check(err)
	_, err = connection.Write(append(call, 0))
	check(err)
	var text, control, descriptors = make([]byte, 65536), make([]byte, 4096), []int{}
	used := 0
	for used == 0 || text[used-1] != 0 { // the reply ends with a NUL, and may come in pieces
		n, controls, flags, _, err := connection.ReadMsgUnix(text[used:], control)
		check(err)
		if n == 0 || flags&syscall.MSG_CTRUNC != 0 {
			log.Fatal("no whole reply")
		}
		used += n
		messages, err := syscall.ParseSocketControlMessage(control[:controls])
		check(err)
		for _, message := range messages {
			rights, err := syscall.ParseUnixRights(&message)
			check(err)
			descriptors = append(descriptors, rights...)
		}
	}
	var got reply
	check(json.Unmarshal(bytes.TrimRight(text[:used], "\x00"), &got))
	if got.Error != "" || len(got.Parameters.Descriptors) != 1 || len(descriptors) != 1 {
		log.Fatal("not one descriptor: ", got.Error)
	}
	file := os.NewFile(uintptr(descriptors[0]), got.Parameters.Descriptors[0].Name)
	// Not its position, which everybody shares who has it: from its beginning.
	_, err = io.Copy(os.Stdout, io.NewSectionReader(file, 0, 1<<62))
	check(err)
}
