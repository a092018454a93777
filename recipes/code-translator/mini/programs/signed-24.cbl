       ID DIVISION.
       PROGRAM-ID. EGGS.
       DATA DIVISION.
       WORKING-STORAGE SECTION.
       01 N PIC 9(3).
       01 R PIC -(5)9.
       PROCEDURE DIVISION.
           ACCEPT N.
           COMPUTE R = N - 24.
           DISPLAY R.
           GOBACK.
