#include "textflag.h"

// The reaper: system calls and registers only, no Go. On the stack are, as the
// kernel leaves them, the number of arguments, the arguments, nil, the variables.
TEXT ·reap(SB), NOSPLIT|NOFRAME, $0-0
	MOVD RSP, R20
	MOVD 0(R20), R19
	ADD  R19<<3, R20, R21
	ADD  $16, R21          // the variables
	MOVW ZR, -16(R20)      // the error of execve

	MOVD $0x4111, R0       // clone(CLONE_VM|CLONE_VFORK|SIGCHLD, 0, 0, 0, 0)
	MOVD ZR, R1
	MOVD ZR, R2
	MOVD ZR, R3
	MOVD ZR, R4
	MOVD $220, R8
	SVC
	CBZ  R0, child
	MOVD R0, R19           // the child, or clone's error
	MOVW -16(R20), R1
	CBZ  R1, told
	MOVD R1, R19

told:
	MOVW ZR, -24(R20)
	MOVW R19, -20(R20)
	MOVD $4, R0            // write(4, {0, R19}, 8)
	SUB  $24, R20, R1
	MOVD $8, R2
	MOVD $64, R8
	SVC
	TBZ  $31, R19, next
	MOVD $127, R0          // as a shell that finds no such command
	B    exit

next:
	MOVD $-1, R0           // wait4(-1, &status, 0, 0)
	SUB  $8, R20, R1
	MOVD ZR, R2
	MOVD ZR, R3
	MOVD $260, R8
	SVC
	MOVD R0, R1
	MOVD $127, R0
	TBNZ $31, R1, exit     // there is nobody, which can't be
	CMPW R19, R1
	BNE  next

	MOVD $4, R0            // fcntl(4, F_SETFL, O_NONBLOCK): nobody can make us wait
	MOVD $4, R1
	MOVD $0x800, R2
	MOVD $25, R8
	SVC
	MOVD $4, R0            // write(4, &status, 4)
	SUB  $8, R20, R1
	MOVD $4, R2
	MOVD $64, R8
	SVC
	MOVWU -8(R20), R0
	AND  $0x7f, R0, R1     // the signal
	CBZ  R1, exited
	ADD  $128, R1, R0      // as a shell tells of it
	B    exit

exited:
	UBFX $8, R0, $8, R0

exit:
	MOVD $94, R8           // exit_group(R0)
	SVC
	UNDEF

child:
	MOVD $157, R8          // setsid()
	SVC
	MOVD $3, R0            // close(3)
	MOVD $57, R8
	SVC
	MOVD $4, R0            // close(4)
	MOVD $57, R8
	SVC
	MOVD 16(R20), R0       // execve(argv[1], &argv[2], variables)
	ADD  $24, R20, R1
	MOVD R21, R2
	MOVD $221, R8
	SVC
	MOVW R0, -16(R20)
	MOVD $127, R0          // exit(127)
	MOVD $93, R8
	SVC
	UNDEF

TEXT ·reapCode(SB), NOSPLIT, $0-8
	MOVD $·reap(SB), R0
	MOVD R0, ret+0(FP)
	RET
