#include "textflag.h"

// The reaper: system calls and registers only, no Go. On the stack are, as the
// kernel leaves them, the number of arguments, the arguments, nil, the variables.
TEXT ·reap(SB), NOSPLIT|NOFRAME, $0-0
	MOVQ 0(SP), BX
	LEAQ 16(SP)(BX*8), R13 // the variables
	MOVL $0, -16(SP)       // the error of execve

	MOVL $0x4111, DI       // clone(CLONE_VM|CLONE_VFORK|SIGCHLD, 0, 0, 0, 0)
	XORL SI, SI
	XORL DX, DX
	XORL R10, R10
	XORL R8, R8
	MOVL $56, AX
	SYSCALL
	TESTQ AX, AX
	JZ   child
	MOVL AX, BX            // the child, or clone's error
	MOVL -16(SP), CX
	TESTL CX, CX
	JZ   told
	MOVL CX, BX

told:
	MOVL $0, -24(SP)
	MOVL BX, -20(SP)
	MOVL $4, DI            // write(4, {0, BX}, 8)
	LEAQ -24(SP), SI
	MOVL $8, DX
	MOVL $1, AX
	SYSCALL
	TESTL BX, BX
	JNS  next
	MOVL $127, DI          // as a shell that finds no such command
	JMP  exit

next:
	MOVQ $-1, DI           // wait4(-1, &status, 0, 0)
	LEAQ -8(SP), SI
	XORL DX, DX
	XORL R10, R10
	MOVL $61, AX
	SYSCALL
	MOVL $127, DI
	TESTL AX, AX
	JS   exit              // there is nobody, which can't be
	CMPL AX, BX
	JNE  next

	MOVL $4, DI            // fcntl(4, F_SETFL, O_NONBLOCK): nobody can make us wait
	MOVL $4, SI
	MOVL $0x800, DX
	MOVL $72, AX
	SYSCALL
	MOVL $4, DI            // write(4, &status, 4)
	LEAQ -8(SP), SI
	MOVL $4, DX
	MOVL $1, AX
	SYSCALL
	MOVL -8(SP), DI
	MOVL DI, CX
	ANDL $0x7f, CX         // the signal
	JZ   exited
	LEAL 128(CX), DI       // as a shell tells of it
	JMP  exit

exited:
	SHRL $8, DI
	ANDL $0xff, DI

exit:
	MOVL $231, AX          // exit_group(DI)
	SYSCALL
	UNDEF

child:
	MOVL $112, AX          // setsid()
	SYSCALL
	MOVL $3, DI            // close(3)
	MOVL $3, AX
	SYSCALL
	MOVL $4, DI            // close(4)
	MOVL $3, AX
	SYSCALL
	MOVQ 16(SP), DI        // execve(argv[1], &argv[2], variables)
	LEAQ 24(SP), SI
	MOVQ R13, DX
	MOVL $59, AX
	SYSCALL
	MOVL AX, -16(SP)
	MOVL $127, DI          // exit(127)
	MOVL $60, AX
	SYSCALL
	UNDEF

TEXT ·reapCode(SB), NOSPLIT, $0-8
	LEAQ ·reap(SB), AX
	MOVQ AX, ret+0(FP)
	RET
