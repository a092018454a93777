       ID DIVISION.
       PROGRAM-ID. SHELLS.
       DATA DIVISION.
       WORKING-STORAGE SECTION.
       01 N PIC 9(3).
       01 R PIC 9(3).
       PROCEDURE DIVISION.
           ACCEPT N.
           COMPUTE R = N + 30.
           DISPLAY R.
           GOBACK.
